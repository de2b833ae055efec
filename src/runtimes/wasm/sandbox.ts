import type { Exit } from '../../contract/spec.ts';
import type { HeldCommand } from '../../host/commands/held-command.ts';
import type { WasmRecord } from './record.ts';
import type { WorkerProcess } from './worker-process.ts';

/** One sandbox as this process knows it. */
export interface WasmSandbox {
  record: WasmRecord;
  /** Its first program, where it has one. */
  program?: WorkerProcess;
  readonly commands: Map<string, HeldCommand>;
  readonly workers: Set<WorkerProcess>;
  /** Settles at its end. */
  readonly over: PromiseWithResolvers<Exit>;
  /** Ends a stay that was for so long only. */
  cancelStay: () => void;
}

export function sandboxOf(record: WasmRecord): WasmSandbox {
  const over = Promise.withResolvers<Exit>();
  if (record.exit !== undefined) over.resolve(record.exit);
  return { record, commands: new Map(), workers: new Set(), over, cancelStay: () => {} };
}
