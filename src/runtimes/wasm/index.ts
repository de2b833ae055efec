export { createWasm, type Wasm, type WasmOptions } from './create.ts';
export { WasmRuntime } from './runtime.ts';
