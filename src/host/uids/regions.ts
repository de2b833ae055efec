import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { hostBaseOf, type IdRange, idsOfRegion, meets, parseSubordinate, REGIONS, SLOTS_PER_REGION } from './range.ts';
import { inRegistry, type RegionRow, type RegionTable } from './registry.ts';

/** In the data folder: the regions of host ids that it has, in order. */
const RECORD = 'uid-regions.json';

export interface RegionDeps {
  readonly dataDir: string;
  /** What names this data folder's interfaces and tables; two with the same can't live on one machine. */
  readonly tag: string;
  readonly registry: string;
  /** Ranges that are not Arc's to use. Default: `/etc/subuid` and `/etc/subgid`. */
  readonly reserved?: () => readonly IdRange[];
  /** Does any process run with an id of this range? Default: `/proc`. */
  readonly inUse?: (range: IdRange) => boolean;
}

/** The host ids of one data folder's slots. They stay its own over restarts, until `release`. */
export class UidRegions {
  readonly #deps: RegionDeps;
  readonly #regions: number[];

  private constructor(deps: RegionDeps, regions: number[]) {
    this.#deps = deps;
    this.#regions = regions;
  }

  /** Takes what the data folder had, or a first region. Throws host_unfit, at_capacity. */
  static open(deps: RegionDeps): UidRegions {
    const dataDir = realpathSync(deps.dataDir);
    const recorded = readRecord(dataDir);
    const all = { ...deps, dataDir };
    inRegistry(deps.registry, (rows, table) => {
      refuseSameTag(all, rows);
      for (const region of recorded) keep(all, region, rows, table);
      // Taken by a start that was killed before it wrote them down: no sandbox ever had an id of them.
      for (const row of rows) {
        if (row.dataDir === dataDir && !recorded.includes(row.region)) table.drop(row.region);
      }
    });
    const regions = new UidRegions(all, recorded);
    if (recorded.length === 0) regions.grow();
    return regions;
  }

  /** How many slots have ids: 1 … slots. */
  get slots(): number {
    return this.#regions.length * SLOTS_PER_REGION;
  }

  /** Takes one region more: in the machine's registry first, then in the data folder, then in use. Throws at_capacity. */
  grow(): void {
    const { dataDir, tag, registry } = this.#deps;
    const reserved = (this.#deps.reserved ?? subordinateIds)();
    const inUse = this.#deps.inUse ?? someProcessHas;
    inRegistry(registry, (rows, table) => {
      const held = new Set(rows.filter((row) => !isGone(row)).map(({ region }) => region));
      const region = Array.from({ length: REGIONS }, (_, index) => index).find((index) => {
        const ids = idsOfRegion(index);
        if (held.has(index) || this.#regions.includes(index)) return false;
        return !reserved.some((range) => meets(range, ids)) && !inUse(ids);
      });
      if (region === undefined) throw new ArcError('at_capacity', 'no host ids are left for more sandboxes');
      table.put({ region, dataDir, tag });
      writeRecord(dataDir, [...this.#regions, region]);
      this.#regions.push(region);
    });
  }

  /** The host's uid and gid that is 0 in the sandbox of this slot. */
  hostBase(slot: number): number {
    const base = hostBaseOf(slot, this.#regions);
    if (base === undefined) throw new ArcError('internal', `slot ${slot} has no host ids`);
    return base;
  }
}

/** Gives all of a data folder's ids back. Only where nothing with such an id is left: neither process nor file. */
export function releaseRegions(dataDirGiven: string, registry: string): void {
  if (!existsSync(dataDirGiven) || !existsSync(registry)) return;
  const dataDir = realpathSync(dataDirGiven);
  const sandboxes = join(dataDir, 'sandboxes');
  if (existsSync(sandboxes) && readdirSync(sandboxes).length > 0) return;
  rmSync(join(dataDir, RECORD), { force: true });
  inRegistry(registry, (rows, table) => {
    for (const row of rows) if (row.dataDir === dataDir) table.drop(row.region);
  });
}

function refuseSameTag({ dataDir, tag }: RegionDeps, rows: readonly RegionRow[]): void {
  const other = rows.find((row) => row.tag === tag && row.dataDir !== dataDir && !isGone(row));
  if (other === undefined) return;
  throw new ArcError('host_unfit', `${dataDir} and ${other.dataDir} would use the same names on this machine`, {
    hint: 'Give one of them another path; names are made from it.',
  });
}

function keep(deps: RegionDeps, region: number, rows: readonly RegionRow[], table: RegionTable): void {
  const { dataDir, tag } = deps;
  const owner = rows.find((row) => row.region === region);
  if (owner !== undefined && owner.dataDir !== dataDir && !isGone(owner)) {
    throw new ArcError('host_unfit', `the host ids of ${dataDir} are those of ${owner.dataDir} on this machine`, {
      hint: `A copied data folder can not run beside its original. Remove the sandboxes in it and ${join(dataDir, RECORD)}.`,
    });
  }
  table.put({ region, dataDir, tag });
}

/** Its data folder was removed, or has given the region up. */
function isGone({ dataDir, region }: RegionRow): boolean {
  try {
    return !readRecord(dataDir).includes(region);
  } catch {
    // A record that can't be read may still be somebody's.
    return false;
  }
}

function readRecord(dataDir: string): number[] {
  const path = join(dataDir, RECORD);
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  const regions = /^\[[0-9,]+\]$/.test(text) ? text.slice(1, -1).split(',').map(Number) : [];
  if (regions.length === 0 || regions.some((region) => !(region < REGIONS))) {
    throw new ArcError('host_unfit', `${path} is damaged: it is a list of numbers below ${REGIONS}`);
  }
  return regions;
}

function writeRecord(dataDir: string, regions: readonly number[]): void {
  const path = join(dataDir, RECORD);
  writeFileSync(`${path}.tmp`, JSON.stringify(regions), { mode: 0o600, flush: true });
  renameSync(`${path}.tmp`, path);
}

function subordinateIds(): readonly IdRange[] {
  return ['/etc/subuid', '/etc/subgid'].flatMap((path) =>
    existsSync(path) ? parseSubordinate(readFileSync(path, 'utf8')) : [],
  );
}

/** The owner of a process's folder is its effective uid, or the root of its user namespace. */
function someProcessHas({ first, count }: IdRange): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^[0-9]+$/.test(name)) return false;
    const uid = statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid ?? -1;
    return uid >= first && uid < first + count;
  });
}
