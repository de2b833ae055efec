import type { FlowLimits } from '../../contract/spec.ts';

const MIB = 1024 ** 2;

/** What a template that says nothing gets. */
export const FLOW_DEFAULTS = { bandwidthBytes: 32 * MIB, connections: 512 } as const satisfies Required<FlowLimits>;

export const FLOW_BOUNDS = { bandwidthBytes: { min: 8 * 1024, max: 16 * 1024 ** 3 } } as const;

/**
 * Bytes that may go at once after a pause, beside the second's worth that the kernel's limits always let go: so long at full
 * rate, and never less than some packets.
 */
const BURST_SECONDS = 0.25;
const BURST_BYTES_MIN = 128 * 1024;

export function flowOf(flow: FlowLimits | undefined): Required<FlowLimits> & { readonly burstBytes: number } {
  const { bandwidthBytes, connections } = { ...FLOW_DEFAULTS, ...flow };
  return {
    bandwidthBytes,
    connections,
    burstBytes: Math.max(BURST_BYTES_MIN, Math.round(bandwidthBytes * BURST_SECONDS)),
  };
}
