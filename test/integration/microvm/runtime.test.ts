import { machineConformance } from './conformance.ts';
import { qemuHere } from './machines.ts';

machineConformance('qemu', qemuHere);
