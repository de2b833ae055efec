export { createLocalEngine, type LocalEngineDeps, type LocalNode, type Programs } from './create.ts';
export { createPlainEngine, type PlainNode } from './create-plain.ts';
export { LocalEngine, type NodeLogs } from './engine.ts';
