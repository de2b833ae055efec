import { asArcError } from '../../contract/errors.ts';
import type { LevelReport } from '../../engines/engine.ts';
import { lacksInWords } from '../lacks.ts';
import type { ProbeParts } from '../oci/index.ts';
import { endedOrIdle, IDLE, trialOrder } from '../trial.ts';
import type { Monitor } from './monitor.ts';
import type { MicrovmRuntime } from './runtime.ts';

/** By emulation, on a machine that is busy with others. */
const PROBE_MS = 120_000;
const WRONG: Readonly<Record<number, string>> = {
  10: 'its program has capabilities',
  14: 'its program sees the kernel of this machine',
};
const PROTECTS =
  'a kernel and a machine of its own; what breaks out of it finds a monitor without rights in an empty root';

/** Looks from the inside at what must be so; shell built-ins only, but for the last word. */
const SCRIPT = `while read -r key value rest; do
  case $key in Cap???:) [ "$value" = 0000000000000000 ] || exit 10 ;; esac
done < /proc/self/status
read -r version < /proc/version
[ "$version" != "$HOST_VERSION" ] || exit 14
exec ${IDLE} 3600
`;

/** Starts a real machine and looks at it from the inside: that a monitor is installed would prove nothing. */
export async function probeMachines(
  runtime: MicrovmRuntime,
  monitor: Monitor,
  note: string,
  parts: ProbeParts,
): Promise<readonly LevelReport[]> {
  const level = 'microvm';
  const absent = (why: string) => absentMachines(monitor, `${monitor.name} was tried and failed: ${why}`);
  const borrowed = await parts.borrow();
  const trial = { level, script: SCRIPT, hostVersion: parts.hostVersion.trim(), readyMs: PROBE_MS } as const;
  const order = trialOrder(borrowed, trial);
  const limit = new AbortController();
  const cancel = parts.clock.after(PROBE_MS, () => limit.abort(new Error(`it took longer than ${PROBE_MS} ms`)));
  try {
    const began = parts.clock.monotonic();
    const handle = await runtime.start(order, limit.signal);
    const startMs = Math.round(parts.clock.monotonic() - began);
    const exit = await endedOrIdle(runtime, handle, parts.clock, limit.signal);
    if (exit !== undefined) return absent(WRONG[exit.code ?? 0] ?? `it ended with ${exit.code ?? exit.note}`);
    const cost = { memoryBytes: await runtime.heldBytes(handle), startMs };
    const how = { ...(monitor.emulated && { emulated: true }), note: `${PROTECTS}; ${note}` };
    return [{ level, available: true, runtime: runtime.name, ...how, cost, lacks: lacksInWords(runtime.lacks) }];
  } catch (error) {
    return absent(asArcError(error).message);
  } finally {
    cancel();
    await runtime.destroy(order).finally(() => borrowed.giveBack());
  }
}

/** Nothing had to be tried. */
export function absentMachines({ name }: Monitor, why: string): readonly LevelReport[] {
  return [{ level: 'microvm', available: false, runtime: name, note: why }];
}
