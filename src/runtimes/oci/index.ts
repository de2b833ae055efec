export { callNames, callsLetThrough } from './call-numbers.ts';
export type { NodeParts, OciDeps } from './deps.ts';
export type { Flavour } from './flavour.ts';
export { FLAVOURS } from './flavours.ts';
export { type ProbeParts, probeLevel, refusedLevel } from './probe.ts';
export { Records } from './record.ts';
export { OciRuntime } from './runtime.ts';
