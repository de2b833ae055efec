import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlowLimits, NetworkPolicy } from '../../contract/spec.ts';
import { eachLimited } from '../../kit/limit.ts';

/** What a sandbox's folder says of its network, so that a server that was started again loads the same rules. */
export interface KeptPermit {
  readonly v: 1;
  readonly id: string;
  readonly address: string;
  readonly policy: Exclude<NetworkPolicy, 'none'>;
  readonly generation: number;
  readonly flow?: FlowLimits;
}

const FILE = 'network.json';
const BYTES_MAX = 64 * 1024;
const READS_AT_ONCE = 16;

/** A file in the folder of each sandbox that may send anything out. No file: it may not. */
export class PermitFiles {
  readonly #dir: string;

  /** @param dir holds one folder for each sandbox */
  constructor(dir: string) {
    this.#dir = dir;
  }

  async write(permit: KeptPermit): Promise<void> {
    const path = join(this.#dir, permit.id, FILE);
    await writeFile(`${path}.new`, JSON.stringify(permit), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.#dir, id, FILE), { force: true });
  }

  /** Of an address that two claim nobody gets anything. */
  async all(): Promise<readonly KeptPermit[]> {
    const found = new Map<string, KeptPermit | undefined>();
    const folders = await readdir(this.#dir).catch(() => []);
    await eachLimited(folders, READS_AT_ONCE, async (id) => {
      const text = await readFile(join(this.#dir, id, FILE), 'utf8').catch(() => '');
      const permit = parse(text);
      if (permit?.id === id) found.set(permit.address, found.has(permit.address) ? undefined : permit);
    });
    return [...found.values()].filter((permit) => permit !== undefined);
  }
}

function parse(text: string): KeptPermit | undefined {
  if (text === '' || text.length > BYTES_MAX) return undefined;
  try {
    const value = JSON.parse(text) as Partial<KeptPermit> | null;
    const whole = value?.v === 1 && value.policy !== undefined && Number.isInteger(value.generation);
    return whole && typeof value.address === 'string' ? (value as KeptPermit) : undefined;
  } catch {
    return undefined;
  }
}
