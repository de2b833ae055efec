import { asArcError } from '../../contract/errors.ts';
import type { LevelReport } from '../../engines/engine.ts';
import type { Clock } from '../../kit/clock.ts';
import { lacksInWords } from '../lacks.ts';
import type { StartOrder } from '../runtime.ts';
import { type Borrowed, endedOrIdle, IDLE, trialOrder } from '../trial.ts';
import type { Flavour } from './flavour.ts';
import type { OciRuntime } from './runtime.ts';

export interface ProbeParts {
  /** A root with a POSIX shell at /bin/sh, and a slot for as long as the try lasts. */
  readonly borrow: () => Promise<Borrowed & { readonly giveBack: () => void }>;
  /** `/proc/version` of this machine. */
  readonly hostVersion: string;
  readonly clock: Clock;
}

const PROBE_MS = 20_000;
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

/** What it needs is not there, so nothing is tried. */
export function refusedLevel({ level, name }: Flavour, why: string): readonly LevelReport[] {
  return [{ level, available: false, runtime: name, note: `${name} is installed, but ${why}` }];
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
    const lacks = lacksInWords(runtime.lacks);
    return [{ level, available: true, runtime: name, note, cost: { memoryBytes, startMs }, lacks }];
  } catch (error) {
    return absent(asArcError(error).message);
  } finally {
    cancel();
    await runtime.destroy(order).finally(() => borrowed.giveBack());
  }
}

function probeOrder(borrowed: Borrowed, flavour: Flavour, hostVersion: string): StartOrder {
  return trialOrder(borrowed, { level: flavour.level, script: script(flavour), hostVersion, readyMs: PROBE_MS });
}
