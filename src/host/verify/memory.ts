import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import type { VerifyReport } from '../../contract/schemas/verify.ts';

export interface KeptReportsDeps {
  readonly dataDir: string;
  /** Of this machine, shared by all Arcs on it: what one has found to hold need not be tried by the next one. */
  readonly sharedDir: string;
  /** Absolute paths of programs: another version of one is another machine. */
  readonly programs: readonly string[];
  /** Folders of Arc's own sources that decide about isolation. */
  readonly sources: readonly string[];
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/**
 * Reports, under a key of everything that they depend on: this boot, this kernel, these programs, these sources. Only what
 * passed is taken over at a start; what failed is tried again, since somebody may have mended it.
 */
export class KeptReports {
  readonly #deps: KeptReportsDeps;

  constructor(deps: KeptReportsDeps) {
    this.#deps = deps;
  }

  async recall(): Promise<VerifyReport | undefined> {
    const path = join(this.#deps.sharedDir, `${await this.#key()}.json`);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const report = text === undefined ? undefined : (parsed(text) as VerifyReport | undefined);
    if (report?.passed !== true) return undefined;
    await write(join(this.#deps.dataDir, LAST_REPORT), `${JSON.stringify(report)}\n`);
    return report;
  }

  async keep(report: VerifyReport): Promise<void> {
    const { dataDir, sharedDir } = this.#deps;
    const text = `${JSON.stringify(report)}\n`;
    await write(join(dataDir, LAST_REPORT), text);
    if (!report.passed || report.levels.length === 0) return;
    await mkdir(sharedDir, { recursive: true, mode: 0o700 });
    const boot = await bootId();
    for (const name of await readdir(sharedDir)) {
      if (!name.startsWith(boot)) await rm(join(sharedDir, name), { force: true });
    }
    await write(join(sharedDir, `${await this.#key()}.json`), text);
  }

  async #key(): Promise<string> {
    const hash = createHash('sha256').update(release()).update(process.arch);
    for (const path of this.#deps.programs) {
      const { mtimeMs, size } = await stat(path).catch(() => ({ mtimeMs: 0, size: 0 }));
      hash.update(`${path} ${mtimeMs} ${size}\n`);
    }
    for (const folder of this.#deps.sources) {
      for (const name of (await readdir(folder, { recursive: true })).filter((one) => SOURCE.test(one)).sort()) {
        hash.update(name).update(await readFile(join(folder, name)));
      }
    }
    return `${await bootId()}-${hash.digest('hex').slice(0, 32)}`;
  }
}

/** In the data folder: the newest report, whatever came of it; `arc doctor` reads it. */
export const LAST_REPORT = 'verify.json';
const SOURCE = /(?<!\.test)\.(ts|c|h)$/;

async function bootId(): Promise<string> {
  return (await readFile(BOOT_ID, 'utf8')).trim();
}

async function write(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // half written, by a machine that lost its power
  }
}
