import { asArcError } from '../../contract/errors.ts';
import type { Exit, ResolvedSpec } from '../../contract/spec.ts';
import type { LevelReport } from '../../engines/engine.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Handle, StartOrder } from '../runtime.ts';
import type { Flavour } from './flavour.ts';
import type { OciRuntime } from './runtime.ts';

export interface ProbeParts {
  /** A root with a POSIX shell at /bin/sh, and a slot for as long as the try lasts. */
  readonly borrow: () => Promise<Pick<StartOrder, 'id' | 'slot' | 'lowers'> & { readonly giveBack: () => void }>;
  /** `/proc/version` of this machine. */
  readonly hostVersion: string;
  readonly clock: Clock;
}

const PROBE_MS = 20_000;
const MIB = 1024 * 1024;

/** What it becomes when everything it looked at was right. */
const IDLE = 'sleep';
/** ms between two looks whether it has. */
const LOOK_MS = 5;
const WRONG: Readonly<Record<number, string>> = {
  10: 'its program has capabilities',
  11: 'its program can gain privileges',
  12: 'its program runs without a list of allowed system calls',
  13: "it shows the host's cgroups in /sys",
  14: 'its program sees the kernel of this machine',
  15: 'its program can see no status of its own',
};

/** Looks from the inside at what must be so; shell built-ins only, but for the last word. */
function script(flavour: Flavour): string {
  const seccomp = flavour.seccomp
    ? 'NoNewPrivs:) [ "$value" = 1 ] || exit 11 ;; Seccomp:) [ "$value" = 2 ] || exit 12 ;;'
    : '';
  return `seen=0
while read -r key value rest; do
  case $key in
    Cap???:) [ "$value" = 0000000000000000 ] || exit 10; seen=1 ;;
    ${seccomp}
  esac
done < /proc/self/status
[ $seen = 1 ] || exit 15
for entry in /sys/fs/cgroup/*; do [ -e "$entry/tasks" ] || [ -e "$entry/cgroup.procs" ] && exit 13; done
read -r version < /proc/version
${flavour.seccomp ? '' : '[ "$version" != "$HOST_VERSION" ] || exit 14'}
exec ${IDLE} 3600
`;
}

/** Starts a trivial sandbox for real and looks at it from the inside: a version number would prove nothing. */
export async function probeLevel(
  runtime: OciRuntime,
  flavour: Flavour,
  parts: ProbeParts,
): Promise<readonly LevelReport[]> {
  const { level, name } = flavour;
  const absent = (why: string): readonly LevelReport[] => [
    { level, available: false, runtime: name, note: `${name} was tried and failed: ${why}` },
  ];
  const borrowed = await parts.borrow();
  const order = probeOrder(borrowed, flavour, parts.hostVersion.trim());
  const limit = new AbortController();
  const cancel = parts.clock.after(PROBE_MS, () => limit.abort(new Error(`it took longer than ${PROBE_MS} ms`)));
  try {
    const began = parts.clock.monotonic();
    const handle = await runtime.start(order, limit.signal);
    const startMs = Math.round(parts.clock.monotonic() - began);
    const exit = await endedOrIdle(runtime, handle, parts.clock, limit.signal);
    if (exit !== undefined) return absent(WRONG[exit.code ?? 0] ?? `it ended with ${exit.code ?? exit.signal}`);
    const { memoryBytes } = await runtime.stats(handle);
    const note = handle.note === undefined ? flavour.protects : `${flavour.protects}; ${handle.note}`;
    const lacks = Object.entries(runtime.lacks).map(([what, why]) => `${what}: ${why}`);
    return [{ level, available: true, runtime: name, note, cost: { memoryBytes, startMs }, lacks }];
  } catch (error) {
    return absent(asArcError(error).message);
  } finally {
    cancel();
    await runtime.destroy(order).finally(() => borrowed.giveBack());
  }
}

/** Its end, or `undefined` once everything it looked at was right: it sleeps then, and is measured. */
async function endedOrIdle(
  runtime: OciRuntime,
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

function probeOrder(
  borrowed: Pick<StartOrder, 'id' | 'slot' | 'lowers'>,
  flavour: Flavour,
  hostVersion: string,
): StartOrder {
  const spec: ResolvedSpec = {
    template: 'probe',
    root: { kind: 'builtin', name: 'shell' },
    command: ['/bin/sh', '-c', script(flavour)],
    env: { HOST_VERSION: hostVersion },
    cwd: '/',
    user: '0',
    ports: [],
    ready: { kind: 'none', timeoutMs: PROBE_MS },
    limits: {
      memoryBytes: 64 * MIB,
      cpus: 1,
      pids: 32,
      openFiles: 256,
      diskBytes: MIB,
      diskKind: 'memory',
    },
    isolation: flavour.level,
    capabilities: [],
    network: 'none',
    ttlMs: null,
    afterReboot: 'fail',
    logBytes: MIB,
  };
  const { id, slot, lowers } = borrowed;
  return { id, slot, lowers, incarnation: 1, spec, fresh: true, labels: {}, owner: 'arc' };
}
