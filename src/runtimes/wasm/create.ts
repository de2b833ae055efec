import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readElf } from '../../host/builtins/elf.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import { compileFilter } from '../jail/bpf.ts';
import { seccompFor } from '../oci/seccomp.ts';
import { librariesOf, ownMaps, type WorkerHost } from './confine.ts';
import { WasmRuntime } from './runtime.ts';
import { Workers } from './workers.ts';

export interface WasmOptions {
  readonly dataDir: string;
  /** The folder that holds `src` and `node_modules`. */
  readonly project: string;
  /** Absolute path of Node. */
  readonly node: string;
  /** Absolute path of bubblewrap, where it is installed. */
  readonly bwrap?: string;
  readonly root: boolean;
  readonly arch: string;
  readonly borrowUid: () => { readonly uid: number; giveBack(): void };
  readonly run: Run;
  readonly clock: Clock;
  readonly log: Logger;
}

const SAVE_MS = 180_000;
const TRY_MS = 10_000;

export interface Wasm {
  readonly runtime: WasmRuntime;
  close(): void;
}

/** The level wasm on this machine, with as much around its workers as the machine has. */
export function createWasm(options: WasmOptions): Wasm {
  const folder = join(options.dataDir, 'wasm');
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  let found: Promise<WorkerHost> | undefined;
  // Not before somebody asks: it starts a program and reads Node, which no start of a server is to wait for.
  const host = () => {
    found ??= hostOf(options, folder);
    return found;
  };
  let saving: Promise<string | undefined> | undefined;
  const workers = new Workers({
    ...{ host, clock: options.clock, log: options.log, borrowUid: options.borrowUid },
    snapshot: () => {
      saving ??= savedPython(options, folder);
      return saving;
    },
  });
  const note = async () =>
    (await host()).jail === undefined
      ? 'its workers are processes without rights to files, but in no jail of their own: bubblewrap would add one'
      : 'its workers are each in a jail of their own: no network, no files but the engine, few system calls';
  const { clock, log } = options;
  const runtime = new WasmRuntime({ workers, sandboxesDir: join(options.dataDir, 'sandboxes'), note, clock, log });
  return { runtime, close: () => workers.close() };
}

async function hostOf(options: WasmOptions, folder: string): Promise<WorkerHost> {
  const { node, project, root, bwrap, arch, log } = options;
  const bare: WorkerHost = { node, project, root };
  if (bwrap === undefined || !(await jailWorks(bwrap, options))) return bare;
  try {
    const filter = join(folder, 'filter.bpf');
    writeFileSync(filter, compileFilter(seccompFor(arch, []), arch), { mode: 0o600 });
    return { ...bare, jail: { bwrap, filter, libraries: librariesOf(node, ownMaps(), readElf) } };
  } catch (error) {
    log.warn({ err: error }, 'the level wasm has no jail around its workers');
    return bare;
  }
}

/** Does bubblewrap work here at all? Some machines let no plain user make namespaces. */
async function jailWorks(bwrap: string, { root, run }: WasmOptions): Promise<boolean> {
  const own = root ? [] : ['--unshare-user'];
  const argv = [bwrap, ...own, '--unshare-pid', '--unshare-net', '--ro-bind', '/', '/', '--', '/bin/true'];
  return (await run(argv, { env: {}, timeoutMs: TRY_MS })).code === 0;
}

/** Python's memory once it stands, saved for the version of everything that it depends on; undefined: it starts without. */
async function savedPython({ node, project, run, log }: WasmOptions, folder: string): Promise<string | undefined> {
  const worker = join(project, 'src/runtimes/wasm/worker');
  const parts = [join(project, 'node_modules/pyodide/package.json'), join(worker, 'python.ts')];
  const key = createHash('sha256').update(process.version);
  for (const part of parts) key.update(readFileSync(part));
  const path = join(folder, `python-${key.digest('hex').slice(0, 16)}.bin`);
  if (existsSync(path)) return path;
  const argv = [node, '--disable-warning=ExperimentalWarning', join(worker, 'save.ts'), `${path}.new`];
  const { code, stderr, notStarted } = await run(argv, { env: {}, timeoutMs: SAVE_MS });
  if (code === 0) {
    renameSync(`${path}.new`, path);
    return path;
  }
  log.warn({ said: notStarted ?? stderr.slice(-500) }, 'Python will start slowly: its memory could not be saved');
  return undefined;
}
