export type { MicrovmDeps } from './deps.ts';
export { firecracker } from './firecracker/firecracker.ts';
export type { Monitor } from './monitor.ts';
export { absentMachines, probeMachines } from './probe.ts';
export { hostTscKhz } from './qemu/host.ts';
export { qemu } from './qemu/qemu.ts';
export { MicrovmRuntime } from './runtime.ts';
