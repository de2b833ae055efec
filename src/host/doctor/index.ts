export type { Facts, HelperFacts, Result } from './check.ts';
export { CHECKS, type DoctorDeps, type DoctorReport, runDoctor } from './doctor.ts';
export { formatDoctor } from './format.ts';
export type { Known, OrphanReport, OrphanSource } from './orphans.ts';
export type { Probe } from './probe.ts';
export { realOrphans } from './real-orphans.ts';
export { realProbe } from './real-probe.ts';
