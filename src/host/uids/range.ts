/**
 * Host uids and gids are given to data folders in regions, so that no two sandboxes of one machine, whichever Arc they
 * are of, share one. Above the ids of people and services, below 2^31 and below what systemd keeps for foreign images.
 */
export const IDS_PER_SLOT = 65_536;
export const SLOTS_PER_REGION = 256;
export const IDS_PER_REGION = IDS_PER_SLOT * SLOTS_PER_REGION;
const FIRST_ID = 0x1000_0000;
const END_ID = 0x7f00_0000;
export const REGIONS = (END_ID - FIRST_ID) / IDS_PER_REGION;

/** A half-open range of ids. */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** @param region 0 … REGIONS - 1 */
export function idsOfRegion(region: number): IdRange {
  return { first: FIRST_ID + region * IDS_PER_REGION, count: IDS_PER_REGION };
}

/** @param regions of one data folder, in the order in which it got them; slots are numbered from 1 */
export function hostBaseOf(slot: number, regions: readonly number[]): number | undefined {
  const region = regions[Math.floor((slot - 1) / SLOTS_PER_REGION)];
  if (region === undefined || slot < 1) return undefined;
  return idsOfRegion(region).first + ((slot - 1) % SLOTS_PER_REGION) * IDS_PER_SLOT;
}

/** `/etc/subuid` and `/etc/subgid`: what was given to users for their own containers. Lines: `name:first:count`. */
export function parseSubordinate(text: string): readonly IdRange[] {
  return text.split('\n').flatMap((line) => {
    const match = /^[^:#]+:([0-9]+):([0-9]+)$/.exec(line.trim());
    return match === null ? [] : [{ first: Number(match[1]), count: Number(match[2]) }];
  });
}

export function meets(one: IdRange, other: IdRange): boolean {
  return one.first < other.first + other.count && other.first < one.first + one.count;
}
