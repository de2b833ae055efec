import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { type Cidr, formatCidr, overlap, parseCidr } from '../../domain/network/cidr.ts';
import { inRegistry } from '../uids/registry.ts';

/** In the data folder: the range that its server gives addresses from, for the other Arcs of the machine to read. */
const RECORD = 'network-range';

export interface ClaimRange {
  readonly dataDir: string;
  readonly range: Cidr;
  readonly registry: string;
  /** Does a server run on that data folder? */
  readonly served: (dataDir: string) => boolean;
  /** Throws where something else of the host is in the range. Asked when no other Arc is, whose name says more than a route's. */
  readonly check?: () => void;
}

/**
 * Routes show the range of another Arc only once it has a sandbox; until then both would start, and the second sandbox
 * of an address would fail. Gives the range that this data folder had before. Throws address_range_in_use.
 */
export function claimRange({ dataDir, range, registry, served, check }: ClaimRange): Cidr | undefined {
  const own = realpathSync(dataDir);
  const before = claimedRange(own);
  inRegistry(registry, (rows) => {
    for (const other of new Set(rows.map((row) => row.dataDir))) {
      const theirs = other === own ? undefined : claimedRange(other);
      if (theirs === undefined || !overlap(theirs, range) || !served(other)) continue;
      const clash = `${formatCidr(range)} overlaps with ${formatCidr(theirs)} of the Arc in ${other}`;
      throw new ArcError('address_range_in_use', clash);
    }
    check?.();
    writeFileSync(join(own, RECORD), formatCidr(range), { mode: 0o600 });
  });
  return before;
}

export interface Claim {
  readonly dataDir: string;
  readonly range: Cidr;
}

/** What the Arcs of this machine give addresses from, or did last, as far as their data folders are still there. */
export function claimedRanges(registry: string): readonly Claim[] {
  const folders = inRegistry(registry, (rows) => new Set(rows.map((row) => row.dataDir)));
  return [...folders].flatMap((dataDir) => {
    const range = claimedRange(dataDir);
    return range === undefined ? [] : [{ dataDir, range }];
  });
}

/** The range that the Arc of this data folder gives addresses from, or did last. */
export function claimedRange(dataDir: string): Cidr | undefined {
  try {
    return parseCidr(readFileSync(join(dataDir, RECORD), 'utf8'));
  } catch (error) {
    // It never had one, or another Arc is being taken away just now.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
