import { readFile, rename, writeFile } from 'node:fs/promises';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { Target } from '../../engines/engine.ts';
import type { Handle, StartOrder } from '../runtime.ts';
import type { Flavour } from './flavour.ts';

/** What a restarted agent must know of a sandbox that runs; written before the start. */
export interface SandboxRecord {
  readonly v: 1;
  readonly id: string;
  readonly incarnation: number;
  readonly slot: number;
  readonly runtime: string;
  readonly address: string;
  readonly hostInterface: string;
  readonly lowers: readonly string[];
  readonly spec: ResolvedSpec;
}

const RECORD_BYTES_MAX = 4 * 1024 * 1024;

/** The records of one node, kept in memory too: they don't change within an incarnation and are looked at in every sweep. */
export class Records {
  readonly #kept = new Map<string, SandboxRecord>();
  readonly #reading = new Map<string, Promise<SandboxRecord | undefined>>();

  async write(path: string, record: SandboxRecord): Promise<void> {
    const aside = `${path}.new`;
    await writeFile(aside, JSON.stringify(record), { mode: 0o600 });
    await rename(aside, path);
    this.#kept.set(record.id, record);
  }

  /** `undefined` when there is none of this very incarnation. */
  async read(path: string, target: Target): Promise<SandboxRecord | undefined> {
    const kept = this.#kept.get(target.id);
    if (kept?.incarnation === target.incarnation) return kept;
    // Every runtime of the node looks at all of them.
    const reading = this.#reading.get(path) ?? readRecord(path).finally(() => this.#reading.delete(path));
    this.#reading.set(path, reading);
    const record = await reading;
    if (record?.id !== target.id || record.incarnation !== target.incarnation) return undefined;
    this.#kept.set(record.id, record);
    return record;
  }

  forget(id: string): void {
    this.#kept.delete(id);
  }
}

/** `undefined` for what isn't there or isn't ours to read. */
async function readRecord(path: string): Promise<SandboxRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  if (text === '' || text.length > RECORD_BYTES_MAX) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is SandboxRecord {
  if (typeof value !== 'object' || value === null) return false;
  return 'v' in value && value.v === 1 && 'id' in value && 'slot' in value && 'spec' in value && 'runtime' in value;
}

export function recordOf(
  order: StartOrder,
  runtime: string,
  net: { readonly address: string; readonly hostInterface: string },
): SandboxRecord {
  const { id, incarnation, slot, lowers, spec } = order;
  return { v: 1, id, incarnation, slot, runtime, ...net, lowers, spec };
}

export function handleOf(
  record: SandboxRecord,
  flavour: Flavour,
  process: { readonly pid: number; readonly pidStart: number },
): Handle {
  return {
    v: 1,
    id: record.id,
    incarnation: record.incarnation,
    level: flavour.level,
    runtime: flavour.name,
    slot: record.slot,
    address: record.address,
    pid: process.pid,
    pidStart: process.pidStart,
    ...(flavour.note !== undefined && { note: flavour.note }),
  };
}
