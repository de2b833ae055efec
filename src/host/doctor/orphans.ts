/**
 * What Arc made on this machine and what no sandbox of this data folder needs any more. Nothing is touched that isn't
 * provably ours: each thing carries its proof, which is the tag of the data folder in its name, its place beneath the
 * data folder, or an id that this data folder has given out.
 */
export const ORPHAN_KINDS = ['helper', 'cgroup', 'mount', 'loop', 'interface', 'barrier', 'nft', 'folder'] as const;
export type OrphanKind = (typeof ORPHAN_KINDS)[number];

/** Something of the kernel's or the disk's that was made by Arc, whosever it is now. */
export interface Thing {
  readonly kind: OrphanKind;
  readonly name: string;
  /** Which sandbox it belongs to, by id or by slot, where its name says so. */
  readonly sandbox?: string;
  readonly slot?: number;
  readonly pid?: number;
  /** Of a barrier: it is of this data folder's range. Those of folders that are gone protect nobody. */
  readonly ours?: boolean;
  /** Why it is surely of this data folder; undefined where only an id that was given out would prove it. */
  readonly proof: string | undefined;
  /** Idempotent. */
  readonly remove: () => Promise<void>;
}

export interface OrphanSource {
  list(): Promise<readonly Thing[]>;
}

/** What belongs to somebody, as the server says, or else the helper's list together with the store. */
export interface Known {
  /** Ids of sandboxes that have, or may have, anything on this machine: being made and being removed included. */
  readonly sandboxes: ReadonlySet<string>;
  readonly slots: ReadonlySet<number>;
  /** Ids that this data folder gave out earlier and that are gone. */
  readonly past: ReadonlySet<string>;
  /** The helper that the server talks to. */
  readonly helperPid: number | undefined;
  /** A server runs, and needs its firewall table even without a sandbox. */
  readonly serverRuns: boolean;
}

export interface Orphan extends Thing {
  readonly proof: string;
}

export interface OrphanReport extends Pick<Orphan, 'kind' | 'name' | 'proof'> {
  /** `left`: nobody asked for its removal. */
  readonly outcome: 'left' | 'removed' | 'failed';
  readonly error?: string;
}

/**
 * Undefined when nobody could say what is known: then nothing is called an orphan. The things are listed before the
 * known is asked for, so that what is made in between isn't taken for an orphan: a row is written before its resources.
 */
export async function findOrphans(
  source: OrphanSource,
  ask: () => Promise<Known | undefined>,
): Promise<readonly Orphan[] | undefined> {
  const things = await source.list();
  const known = await ask();
  return known === undefined ? undefined : things.flatMap((thing) => orphanOf(thing, known));
}

function orphanOf(thing: Thing, known: Known): readonly Orphan[] {
  if (thing.sandbox !== undefined && known.sandboxes.has(thing.sandbox)) return [];
  if (thing.slot !== undefined && known.slots.has(thing.slot)) return [];
  if (thing.kind === 'helper' && thing.pid === known.helperPid) return [];
  // The rules go last: without them what still runs could reach what it must not.
  const rules = thing.kind === 'nft' || thing.ours === true;
  if (rules && (known.serverRuns || known.sandboxes.size > 0)) return [];
  const given =
    thing.sandbox !== undefined && known.past.has(thing.sandbox) ? `${thing.sandbox} was of this folder` : undefined;
  const proof = thing.proof ?? given;
  return proof === undefined ? [] : [{ ...thing, proof }];
}

/** Removes them in the order of the kinds: what uses before what is used. Goes on after an error and tells each. */
export async function reap(orphans: readonly Orphan[]): Promise<readonly OrphanReport[]> {
  const reports: OrphanReport[] = [];
  const inOrder = ORPHAN_KINDS.flatMap((kind) => orphans.filter((orphan) => orphan.kind === kind));
  for (const { kind, name, proof, remove } of inOrder) {
    try {
      await remove();
      reports.push({ kind, name, proof, outcome: 'removed' });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      reports.push({ kind, name, proof, outcome: 'failed', error: text });
    }
  }
  return reports;
}
