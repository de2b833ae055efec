import type { Exit } from '../contract/spec.ts';
import type { Held, Placement, Target } from '../engines/engine.ts';
import type { Handle, Runtime } from '../runtimes/runtime.ts';

/** What the agent knows of one sandbox on this node. */
export type Holding = Target & {
  readonly slot: number;
  /** Absent for what no runtime knows: an orphan, to be removed by the helper alone. */
  readonly runtime?: Runtime;
} & (
    | { readonly phase: 'running'; readonly handle: Handle }
    | { readonly phase: 'exited'; readonly exit: Exit }
    | { readonly phase: 'partial' }
  );

export function heldOf(holding: Holding, node: string, frozen = false): Held {
  const { id, incarnation } = holding;
  if (holding.phase === 'running') {
    const placement = placementOf(holding.handle, node);
    return { id, incarnation, phase: 'running', placement, ...(frozen && { frozen }) };
  }
  if (holding.phase === 'exited') return { id, incarnation, phase: 'exited', exit: holding.exit };
  return { id, incarnation, phase: 'partial' };
}

export function placementOf(handle: Handle, node: string): Placement {
  return {
    node,
    address: handle.address,
    runtime: handle.runtime,
    ...(handle.note !== undefined && { note: handle.note }),
  };
}
