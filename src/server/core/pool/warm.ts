import type { Exit, ResolvedSpec } from '../../../contract/spec.ts';
import type { Placement, Target } from '../../../engines/engine.ts';
import type { Write } from '../../../store/store.ts';

export const WARM = 'warm';

/**
 * A sandbox of a pool as it is stored, apart from those that people have: no list, event or owner knows of it until it
 * is claimed, when one commit makes it a sandbox like any other. Its id, and what the engine holds, stay the same.
 */
export interface WarmDoc extends Target {
  readonly template: string;
  /** What it was made from, by content: of another version it is never handed over. */
  readonly version: string;
  /** `claiming`: something of a claimer may be in it already, so that nobody else may have it. */
  readonly phase: 'starting' | 'ready' | 'claiming';
  readonly spec: ResolvedSpec;
  readonly placement?: Placement;
}

/** One that this run of Arc knows of. */
export interface Warm {
  readonly id: string;
  doc: WarmDoc;
  revision: number;
  /** Its program ended while a claim of it was on its way. */
  exit?: Exit;
}

/** The store refuses a second owner of an address among the warm ones, as it does among all others. */
export function putWarm(doc: WarmDoc, ifRevision: number): Write {
  const { placement } = doc;
  const unique = placement ? [`address:${placement.node}/${placement.address}`] : [];
  return { op: 'put', kind: WARM, id: doc.id, value: doc, ifRevision, unique };
}

export function deleteWarm(warm: Warm): Write {
  return { op: 'delete', kind: WARM, id: warm.id, ifRevision: warm.revision };
}
