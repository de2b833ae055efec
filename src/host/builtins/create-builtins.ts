import { execFile } from 'node:child_process';
import { existsSync, lstatSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import type { Builtins } from '../images/create-images.ts';
import { diskBytes, syncFileSystem } from '../images/layer-store.ts';
import { buildPart } from './build-part.ts';
import { type PartName, planInThread } from './plan-part.ts';

export interface BuiltinsOptions {
  readonly dataDir: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The binary that runs Arc (`process.execPath`): the builtin `node` is the same one. */
  readonly node: string;
  /** `native/whoami.c`, and where the launcher puts what it becomes. Compiled here when that is missing or older. */
  readonly whoami: { readonly source: string; readonly binary: string };
  /** `examples/vulnerable-notes`. */
  readonly notes: string;
}

/** Which parts make which root, lowest first: `shell` lies below all but `whoami`, so it is on the disk once. */
const PARTS: Readonly<Record<string, readonly PartName[]>> = {
  shell: ['base'],
  python: ['base', 'python'],
  node: ['base', 'node'],
  whoami: ['whoami'],
  host: ['host'],
  'vulnerable-notes': ['base', 'python', 'notes'],
};
export const BUILTIN_NAMES = Object.keys(PARTS);

const COMPILE_TIMEOUT_MS = 60_000;

/**
 * Root filesystems made from what the machine has: `DATA/builtins/PART-KEY/`, the key being that of the part's content,
 * so an upgraded program makes a new one and sandboxes that run keep theirs. A part comes in by rename, whole.
 */
export function createBuiltins(options: BuiltinsOptions): Builtins {
  return new LocalBuiltins(options);
}

class LocalBuiltins implements Builtins {
  readonly #options: BuiltinsOptions;
  readonly #root: string;
  readonly #parts = new Map<PartName, Promise<string>>();
  #ready: Promise<void> | undefined;

  constructor(options: BuiltinsOptions) {
    this.#options = options;
    this.#root = join(options.dataDir, 'builtins');
  }

  async resolve(name: string): Promise<readonly string[]> {
    const parts = PARTS[name];
    if (!parts || !Object.hasOwn(PARTS, name)) {
      throw new ArcError('template_not_found', `there is no builtin ${name}; there are: ${BUILTIN_NAMES.join(', ')}`);
    }
    const folders: string[] = [];
    for (const part of parts) folders.push(await this.#part(part));
    return folders;
  }

  async #part(name: PartName): Promise<string> {
    const known = this.#parts.get(name);
    if (known) {
      const folder = await known;
      // Somebody may have emptied the data folder; then it is made again.
      if (existsSync(folder)) return folder;
      if (this.#parts.get(name) === known) this.#parts.delete(name);
    }
    const making = this.#parts.get(name) ?? this.#make(name);
    this.#parts.set(name, making);
    // What is missing on the machine may be installed meanwhile, so a failure is not remembered.
    making.catch(() => this.#parts.get(name) === making && this.#parts.delete(name));
    return making;
  }

  async #make(name: PartName): Promise<string> {
    this.#ready ??= this.#prepare();
    await this.#ready;
    const { node, notes } = this.#options;
    const whoami = name === 'whoami' ? await this.#whoami() : '';
    const plan = await planInThread({ name, node, notes, whoami });
    const folder = join(this.#root, `${name}-${plan.key}`);
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder;
    const since = this.#options.clock.monotonic();
    const work = await mkdtemp(join(this.#root, 'tmp', `${name}-`));
    try {
      await mkdir(join(work, 'root'), { mode: 0o755 });
      await buildPart(plan, join(work, 'root'));
      await syncFileSystem(work);
      await rename(join(work, 'root'), folder);
    } finally {
      await removeTree(work, this.#root);
    }
    const ms = Math.round(this.#options.clock.monotonic() - since);
    this.#options.logger.info({ part: name, files: plan.entries.size, ms }, 'builtin root was made');
    return folder;
  }

  async #prepare(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    await removeTree(join(this.#root, 'tmp'), this.#root);
    await mkdir(join(this.#root, 'tmp'), { mode: 0o700 });
  }

  async #whoami(): Promise<string> {
    const { source, binary } = this.#options.whoami;
    const made = statSync(binary, { throwIfNoEntry: false });
    const from = statSync(source, { throwIfNoEntry: false });
    if (made && (!from || made.mtimeMs >= from.mtimeMs)) return binary;
    if (!from) throw new ArcError('host_unfit', `the builtin whoami needs ${source}, which is not here`);
    const own = join(this.#root, 'whoami');
    // Compiled by an earlier run: made anew it would be another root, and what waits in pools of the one before useless.
    const before = statSync(own, { throwIfNoEntry: false });
    if (before && before.mtimeMs >= from.mtimeMs) return own;
    const argv = ['-Os', '-static', '-s', '-o', own, source];
    await promisify(execFile)('cc', argv, { timeout: COMPILE_TIMEOUT_MS }).catch((cause: Error) => {
      const lacks = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      const why = lacks ? 'there is no C compiler' : cause.message.slice(0, 500);
      throw new ArcError('host_unfit', `the builtin whoami can not be compiled: ${why}`, {
        cause,
        hint: 'apt-get install gcc libc6-dev',
      });
    });
    return own;
  }

  /** Parts of an older content, once no builtin root is in use at all: only then is it sure that nobody stands on them. */
  async prune(inUse: readonly string[]): Promise<{ readonly layers: number; readonly bytes: number }> {
    if (inUse.length > 0 || !existsSync(this.#root)) return { layers: 0, bytes: 0 };
    this.#ready ??= this.#prepare();
    await this.#ready;
    const current = new Set(
      (await Promise.allSettled(this.#parts.values())).map((one) => one.status === 'fulfilled' && one.value),
    );
    let layers = 0;
    let bytes = 0;
    for (const name of await readdir(this.#root)) {
      const folder = join(this.#root, name);
      if (current.has(folder) || !/^[a-z]+-[0-9a-f]{16}$/.test(name)) continue;
      const away = join(this.#root, 'tmp', `prune-${name}`);
      await rename(folder, away);
      bytes += await diskBytes(away);
      layers += 1;
      await removeTree(away, this.#root);
    }
    return { layers, bytes };
  }
}
