import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArcError } from '../../contract/errors.ts';

const NATIVE_DIR = fileURLToPath(new URL('../../../native', import.meta.url));
const FLAGS = ['-std=gnu11', '-Wall', '-Wextra', '-Wno-format-truncation'];
const RELEASE = ['-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong', '-fPIE', '-pie'];
const SANITIZED = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
const STATIC = ['-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong', '-static', '-s'];
const COMPILERS: readonly string[] = ['cc', 'gcc', 'clang'];
/** Programs of their own that live beside the helper. */
const NOT_THE_HELPER = new Set(['whoami.c']);
/** Of a compiler's complaint, as much as is shown. */
const COMPLAINT_BYTES_MAX = 4_096;

export interface BuildOptions {
  readonly nativeDir?: string;
  /** With the address and undefined-behaviour sanitizers, for tests. */
  readonly sanitize?: boolean;
  readonly compilers?: readonly string[];
}

/** The helper's binary, compiled when a source is newer than it. Throws ArcError host_unfit. */
export async function buildHelper(options: BuildOptions = {}): Promise<string> {
  const dir = options.nativeDir ?? NATIVE_DIR;
  const sources = (await readdir(dir)).filter(isSource).map((name) => join(dir, name));
  const binary = join(dir, 'build', options.sanitize ? 'arc-node-sanitized' : 'arc-node');
  const flags = options.sanitize ? SANITIZED : RELEASE;
  return await buildProgram('the node helper', binary, sources, [...flags, join(dir, 'arc-node.c')], options.compilers);
}

/** The program that jails are started and used through: static, since it also runs inside of them. Throws host_unfit. */
export async function buildJailKit(options: BuildOptions = {}): Promise<string> {
  const dir = options.nativeDir ?? NATIVE_DIR;
  const source = join(dir, 'jail/arc-jail.c');
  const binary = join(dir, 'build/arc-jail');
  return await buildProgram('the jail kit', binary, [source], [...STATIC, source], options.compilers);
}

/** What `arc verify` runs inside of sandboxes: static, since their roots hold nothing else. Throws host_unfit. */
export async function buildAdversary(options: BuildOptions = {}): Promise<string> {
  const dir = join(options.nativeDir ?? NATIVE_DIR, 'adversary');
  const sources = (await readdir(dir)).filter((name) => /\.[ch]$/.test(name)).map((name) => join(dir, name));
  const binary = join(dir, '../build/arc-adversary');
  return await buildProgram('the adversary', binary, sources, [...STATIC, join(dir, 'adversary.c')], options.compilers);
}

async function buildProgram(
  what: string,
  binary: string,
  sources: readonly string[],
  argv: readonly string[],
  compilers = COMPILERS,
): Promise<string> {
  const built = await modified(binary);
  const newest = Math.max(...(await Promise.all(sources.map(modified))));
  if (built > newest) return binary;
  await mkdir(dirname(binary), { recursive: true });
  const fresh = `${binary}.${process.pid}`;
  try {
    await compile(what, compilers, [...FLAGS, ...argv, '-o', fresh]);
    await rename(fresh, binary);
  } finally {
    await rm(fresh, { force: true });
  }
  return binary;
}

const isSource = (name: string): boolean => /\.[ch]$/.test(name) && !NOT_THE_HELPER.has(name);

/** Is the binary there and newer than every source? Looks at files only. */
export function helperIsBuilt(nativeDir = NATIVE_DIR): boolean {
  const changed = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const built = changed(join(nativeDir, 'build/arc-node'));
  return readdirSync(nativeDir)
    .filter(isSource)
    .every((name) => changed(join(nativeDir, name)) < built);
}

const modified = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );

async function compile(what: string, compilers: readonly string[], argv: readonly string[]): Promise<void> {
  for (const compiler of compilers) {
    const result = await run(compiler, argv);
    if (result === 'missing') continue;
    if (result.code === 0) return;
    throw new ArcError('host_unfit', `${what} could not be compiled: ${result.complaint}`, {
      hint: 'Install a compiler and its headers: apt-get install gcc libc6-dev',
    });
  }
  throw new ArcError('host_unfit', `there is no C compiler to build ${what} with`, {
    hint: 'Install one: apt-get install gcc libc6-dev',
  });
}

function run(
  program: string,
  argv: readonly string[],
): Promise<'missing' | { code: number | null; complaint: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, COMPLAINT_BYTES_MAX);
    });
    child.once('error', () => resolve('missing'));
    child.once('close', (code) => resolve({ code, complaint }));
  });
}
