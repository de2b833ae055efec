import type { Exit, ResolvedSpec } from '../contract/spec.ts';
import type { Level } from '../contract/states.ts';
import type { Clock } from '../kit/clock.ts';
import type { Handle, Runtime, StartOrder } from './runtime.ts';

/** What the trial of a level becomes when everything it looked at was right: it is measured then. */
export const IDLE = 'sleep';
const LOOK_MS = 5;
const MIB = 1024 * 1024;

/** A root with a POSIX shell, and a slot for as long as the trial lasts. */
export type Borrowed = Pick<StartOrder, 'id' | 'slot' | 'lowers'>;

/** Its end, or `undefined` once everything it looked at was right: it sleeps then. */
export async function endedOrIdle(
  runtime: Pick<Runtime, 'wait'> & Required<Pick<Runtime, 'processes'>>,
  handle: Handle,
  clock: Clock,
  signal: AbortSignal,
): Promise<Exit | undefined> {
  const done = new AbortController();
  const ended = runtime.wait(handle, AbortSignal.any([signal, done.signal]));
  ended.catch(() => undefined);
  try {
    for (;;) {
      const idle = runtime.processes(handle).then(
        (list) => list.some(({ command }) => command.startsWith(IDLE)),
        () => false,
      );
      const first = await Promise.race([ended, idle]);
      if (first === true) return undefined;
      if (first !== false) return first;
      await clock.sleep(LOOK_MS, signal);
    }
  } finally {
    done.abort();
  }
}

export function trialOrder(
  borrowed: Borrowed,
  trial: {
    readonly level: Level;
    readonly script: string;
    /** `/proc/version` of this machine. */
    readonly hostVersion: string;
    readonly readyMs: number;
  },
): StartOrder {
  const spec: ResolvedSpec = {
    template: 'probe',
    root: { kind: 'builtin', name: 'shell' },
    command: ['/bin/sh', '-c', trial.script],
    env: { HOST_VERSION: trial.hostVersion },
    ...{ cwd: '/', user: '0', ports: [], ready: { kind: 'none', timeoutMs: trial.readyMs } },
    limits: { memoryBytes: 64 * MIB, cpus: 1, pids: 32, openFiles: 256, diskBytes: MIB, diskKind: 'memory' },
    ...{ isolation: trial.level, capabilities: [], network: 'none', ttlMs: null, afterReboot: 'fail', logBytes: MIB },
  };
  const { id, slot, lowers } = borrowed;
  return { id, slot, lowers, incarnation: 1, spec, fresh: true, labels: {}, owner: 'arc' };
}
