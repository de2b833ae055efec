import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Exit, ResolvedSpec } from '../../contract/spec.ts';
import type { Target } from '../../engines/engine.ts';

/** What a restarted server must know of a sandbox to go on with it. */
export interface WasmRecord extends Target {
  readonly v: 1;
  readonly runtime: 'wasm';
  readonly slot: number;
  readonly spec: ResolvedSpec;
  /** It has no first program: it is there for commands, and outlives this process as what is written here. */
  readonly stays: boolean;
  readonly exit?: Exit;
}

/** The name that every runtime of ours gives its record. */
const FILE = 'agent.json';

export async function readRecord(dir: string): Promise<WasmRecord | undefined> {
  try {
    const found = JSON.parse(await readFile(join(dir, FILE), 'utf8')) as WasmRecord;
    return found.runtime === 'wasm' ? found : undefined;
  } catch {
    return undefined;
  }
}

export async function writeRecord(dir: string, record: WasmRecord): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o711 });
  await writeFile(join(dir, `${FILE}.new`), JSON.stringify(record), { mode: 0o600 });
  await rename(join(dir, `${FILE}.new`), join(dir, FILE));
}
