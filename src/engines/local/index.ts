export { createLocalEngine, type LocalEngineDeps, type LocalNode, type Programs } from './create.ts';
export { LocalEngine, type NodeLogs } from './engine.ts';
