import type { WorkerOrder, WorkerReport } from '../order.ts';

/** Runs one program to its end. */
export type Engine = (order: WorkerOrder) => Promise<Omit<WorkerReport, 'oom'>>;
