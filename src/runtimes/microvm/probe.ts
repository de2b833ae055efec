import { asArcError } from '../../contract/errors.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { LevelReport } from '../../engines/engine.ts';
import type { ProbeParts } from '../oci/index.ts';
import type { StartOrder } from '../runtime.ts';
import type { Monitor } from './monitor.ts';
import type { MicrovmRuntime } from './runtime.ts';

/** By emulation, on a machine that is busy with others. */
const PROBE_MS = 120_000;
const MIB = 1024 * 1024;
const ALL_RIGHT = 42;
const WRONG: Readonly<Record<number, string>> = {
  10: 'its program has capabilities',
  14: 'its program sees the kernel of this machine',
};
const PROTECTS =
  'a kernel and a machine of its own; what breaks out of it finds a monitor without rights in an empty root';

/** Looks from the inside at what must be so; shell built-ins only, since the root may hold nothing else. */
const SCRIPT = `while read -r key value rest; do
  case $key in Cap???:) [ "$value" = 0000000000000000 ] || exit 10 ;; esac
done < /proc/self/status
read -r version < /proc/version
[ "$version" != "$HOST_VERSION" ] || exit 14
exit ${ALL_RIGHT}
`;

/** Starts a real machine and looks at it from the inside: that a monitor is installed would prove nothing. */
export async function probeMachines(
  runtime: MicrovmRuntime,
  monitor: Monitor,
  note: string,
  parts: ProbeParts,
): Promise<readonly LevelReport[]> {
  const level = 'microvm';
  const absent = (why: string): readonly LevelReport[] => [
    { level, available: false, runtime: runtime.name, note: `${runtime.name} was tried and failed: ${why}` },
  ];
  const borrowed = await parts.borrow();
  const order = probeOrder(borrowed, parts.hostVersion.trim());
  const limit = new AbortController();
  const cancel = parts.clock.after(PROBE_MS, () => limit.abort(new Error(`it took longer than ${PROBE_MS} ms`)));
  try {
    const handle = await runtime.start(order, limit.signal);
    const exit = await runtime.wait(handle, limit.signal);
    if (exit.code !== ALL_RIGHT) return absent(WRONG[exit.code ?? 0] ?? `it ended with ${exit.code ?? exit.note}`);
    const { emulated } = monitor;
    return [
      { level, available: true, runtime: runtime.name, ...(emulated && { emulated }), note: `${PROTECTS}; ${note}` },
    ];
  } catch (error) {
    return absent(asArcError(error).message);
  } finally {
    cancel();
    await runtime.destroy(order).finally(() => borrowed.giveBack());
  }
}

function probeOrder(borrowed: Pick<StartOrder, 'id' | 'slot' | 'lowers'>, hostVersion: string): StartOrder {
  const spec: ResolvedSpec = {
    template: 'probe',
    root: { kind: 'builtin', name: 'shell' },
    command: ['/bin/sh', '-c', SCRIPT],
    env: { HOST_VERSION: hostVersion },
    ...{ cwd: '/', user: '0', ports: [], ready: { kind: 'none', timeoutMs: PROBE_MS } },
    limits: { memoryBytes: 64 * MIB, cpus: 1, pids: 32, openFiles: 256, diskBytes: MIB, diskKind: 'memory' },
    ...{ isolation: 'microvm', capabilities: [], network: 'none', ttlMs: null, afterReboot: 'fail', logBytes: MIB },
  };
  const { id, slot, lowers } = borrowed;
  return { id, slot, lowers, incarnation: 1, spec, fresh: true, labels: {}, owner: 'arc' };
}
