import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecOrder } from '../../../src/engines/engine.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { runProgram } from '../../../src/kit/run.ts';
import type { Handle, Runtime, StartOrder } from '../../../src/runtimes/runtime.ts';
import { createWasm, type WasmRuntime } from '../../../src/runtimes/wasm/index.ts';
import type { OrderChanges } from '../../../src/testing/conformance/runtime.ts';
import { newId, specOf } from '../node/harness.ts';

export const ROOT = join(import.meta.dirname, '../../..');
const BWRAP = '/usr/bin/bwrap';

export interface WasmWorld extends AsyncDisposable {
  readonly dir: string;
  readonly runtime: WasmRuntime;
  order(changes?: OrderChanges): StartOrder;
  /** The same node as a server sees it that has just been started again, and the one before is gone. */
  restarted(): WasmRuntime;
  residue(id: string): Promise<readonly string[]>;
}

let uids = 2_000_000;

/** The level wasm on a data folder of its own, with real engines. */
export async function wasmWorld({ jail = true } = {}): Promise<WasmWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'arcw-'));
  await chmod(dir, 0o711);
  const make = () => {
    const borrowUid = () => {
      uids += 1;
      return { uid: uids, giveBack: () => {} };
    };
    return createWasm({
      ...{ dataDir: dir, project: ROOT, node: process.execPath, root: process.getuid?.() === 0, arch: process.arch },
      ...{ borrowUid, run: runProgram, clock: realClock, log: silentLogger, ...(jail ? { bwrap: BWRAP } : {}) },
    });
  };
  let wasm = make();
  const made: WasmWorld = {
    dir,
    get runtime() {
      return wasm.runtime;
    },
    order: ({ spec, limits } = {}) => ({
      ...{ id: newId(), incarnation: 1, slot: 1, lowers: [], fresh: true, labels: {}, owner: 'test' },
      spec: specOf({ isolation: 'wasm', command: ['sleep', '3600'], ...spec }, limits),
    }),
    restarted: () => {
      wasm.close();
      wasm = make();
      return wasm.runtime;
    },
    residue: async (id) => (await readdir(join(dir, 'sandboxes')).catch(() => [])).filter((name) => name === id),
    [Symbol.asyncDispose]: async () => {
      wasm.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return made;
}

export const go = (): AbortSignal => new AbortController().signal;

let execs = 0;

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly oom: boolean;
  readonly timedOut: boolean;
  readonly bytes: number;
}

/** Keeps at most so many characters of each stream. */
const KEPT = 100_000;

/** Runs a command in it to its end. */
export async function run(
  runtime: Runtime,
  handle: Handle,
  command: readonly string[],
  more: Partial<ExecOrder> & { readonly stdin?: string } = {},
): Promise<Ran> {
  execs += 1;
  const { stdin, ...rest } = more;
  const id = `ex-${String(execs).padStart(8, 'a')}`;
  const stream = await runtime.exec?.(handle, id, { command, env: {}, timeoutMs: 120_000, ...rest });
  if (stream === undefined) throw new Error('it can run nothing');
  if (stdin !== undefined) await stream.write(Buffer.from(stdin));
  await stream.closeStdin().catch(() => {});
  const text = { stdout: '', stderr: '' };
  let bytes = 0;
  for await (const { stream: which, data } of stream.output) {
    bytes += data.length;
    if (text[which].length < KEPT) text[which] += Buffer.from(data).toString('utf8');
  }
  const exit = await stream.exit;
  await stream[Symbol.asyncDispose]();
  return { ...text, code: exit.code, oom: exit.oom, timedOut: exit.timedOut, bytes };
}

export const python = (text: string): readonly string[] => ['python3', '-c', text];
export const js = (text: string): readonly string[] => ['node', '-e', text];
