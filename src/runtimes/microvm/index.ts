export type { MicrovmDeps } from './deps.ts';
export { hostTscKhz } from './host.ts';
export { probeMachines } from './probe.ts';
export { qemu } from './qemu.ts';
export { MicrovmRuntime } from './runtime.ts';
