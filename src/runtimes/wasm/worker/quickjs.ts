import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import variant from '@jitl/quickjs-wasmfile-release-sync';
import {
  newQuickJSWASMModuleFromVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
} from 'quickjs-emscripten-core';
import { finish, readSome, say, sleep, writeAll } from './channel.ts';
import type { Engine } from './engine.ts';
import { MemoryFiles } from './memory-files.ts';

const PROLOGUE = join(import.meta.dirname, 'prologue.js');
const STACK_BYTES = 1024 * 1024;
/** What QuickJS may use beside what the memory is allowed to grow by: what it begins with. */
const OWN_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 65_536;
const USAGE = 'usage: node [-e script | -p script | file | -] [arguments]';

/** JavaScript, by QuickJS. The program sees functions that take and give strings and numbers, and no object of ours. */
export async function quickjs(): Promise<Engine> {
  const engine = await newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);
  const prologue = readFileSync(PROLOGUE, 'utf8');
  const runtime = engine.newRuntime();
  runtime.setMaxStackSize(STACK_BYTES);
  rehearse(engine, prologue);
  const context = runtime.newContext();
  return async ({ argv, env, cwd, memoryBytes, files }) => {
    const tree = new MemoryFiles(files);
    const end = (code: number): never => finish({ code, oom: false, files: tree.all() });
    runtime.setMemoryLimit(memoryBytes + OWN_BYTES);
    const chosen = programOf(argv, cwd, tree);
    if (typeof chosen === 'string') {
      say(chosen);
      return end(2);
    }
    handIn(context, functionsOf(tree, cwd, end));
    const start = { argv: ['node', ...chosen.argv], env, cwd };
    must(context, `globalThis.__arcStart = ${JSON.stringify(start)};\n${prologue}`, 'arc:prologue', end);
    runtime.setModuleLoader(
      (name) => new TextDecoder().decode(tree.read(moduleKey(name, tree))),
      (from, name) => resolveModule(from, name, cwd),
    );
    const result = context.evalCode(chosen.text, chosen.name, { type: chosen.module ? 'module' : 'global' });
    const value = take(context, result, end);
    if (chosen.print) say2(context, value);
    turn(context, end);
    const state = chosen.module ? context.getPromiseState(value) : undefined;
    if (state?.type === 'rejected') fail(context, state.error, end);
    return end(0);
  };
}

/** Runs a program that prints nothing, so that what every program needs has been compiled before one comes. */
function rehearse(engine: QuickJSWASMModule, prologue: string): void {
  const runtime = engine.newRuntime();
  const context = runtime.newContext();
  const nothing = () => undefined;
  handIn(context, { write: nothing, now: () => 0 });
  const fail = (): never => {
    throw new Error('the rehearsal failed');
  };
  must(context, `globalThis.__arcStart = { argv: [], env: {}, cwd: '/' };\n${prologue}`, 'arc:prologue', fail);
  must(context, 'print(6 * 7, { a: [1, "b"] }); Promise.resolve().then(() => 1)', '[eval]', fail);
  turn(context, fail);
  context.dispose();
  runtime.dispose();
}

interface Program {
  readonly text: string;
  readonly name: string;
  readonly module: boolean;
  readonly print: boolean;
  readonly argv: readonly string[];
}

/** What is to be run, or the sentence that says why nothing is. */
function programOf(argv: readonly string[], cwd: string, tree: MemoryFiles): Program | string {
  const [first, second, ...rest] = argv.slice(1);
  if (first === '-v' || first === '--version') return program('print("QuickJS, at the level wasm of Arc")', '[eval]');
  if (first === '-e' || first === '--eval' || first === '-p' || first === '--print') {
    if (second === undefined) return USAGE;
    return program(second, '[eval]', { argv: rest, print: first.startsWith('-p') || first.startsWith('--p') });
  }
  if (first === undefined || first === '-') return program(allOfInput(), '[stdin]');
  if (first.startsWith('-')) return `unknown option ${first}\n${USAGE}`;
  const key = MemoryFiles.key(cwd, first);
  if (tree.kind(key) !== 'file') return `Error: Cannot find module '/${key}'`;
  const text = new TextDecoder().decode(tree.read(key));
  const module = key.endsWith('.mjs') || (!key.endsWith('.cjs') && /^\s*(import|export)\b/m.test(text));
  return program(text, `/${key}`, { module, argv: [`/${key}`, ...(second === undefined ? [] : [second, ...rest])] });
}

function program(text: string, name: string, more: Partial<Program> = {}): Program {
  return { text, name, module: false, print: false, argv: [], ...more };
}

function allOfInput(): string {
  const parts: Uint8Array[] = [];
  for (let some = readSome(0, READ_BYTES); some !== undefined; some = readSome(0, READ_BYTES)) parts.push(some);
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join('') + decoder.decode();
}

type Given = string | number | boolean | undefined;
type Handed = Readonly<Record<string, (...args: Given[]) => Given>>;

/** All that a program can do to the world. Bytes travel as strings of one character for each. */
function functionsOf(tree: MemoryFiles, cwd: string, end: (code: number) => never): Handed {
  const key = (path: Given) => MemoryFiles.key(cwd, String(path));
  return {
    write: (fd, text) => writeAll(fd === 2 ? 2 : 1, new TextEncoder().encode(String(text))) as undefined,
    input: () => allOfInput(),
    exit: (code) => end(Number(code) & 255),
    now: () => performance.now(),
    random: (count) => latin1(crypto.getRandomValues(new Uint8Array(Math.min(Math.max(Number(count) | 0, 0), 65_536)))),
    kind: (path) => tree.kind(key(path)),
    size: (path) => tree.read(key(path)).length,
    readText: (path) => new TextDecoder().decode(tree.read(key(path))),
    readBytes: (path) => latin1(tree.read(key(path))),
    writeText: (path, text, append) =>
      tree.write(key(path), new TextEncoder().encode(String(text)), append === true) as undefined,
    writeBytes: (path, text, append) => tree.write(key(path), bytes(String(text)), append === true) as undefined,
    list: (path) => JSON.stringify(tree.list(key(path))),
    mkdir: (path, recursive) => tree.mkdir(key(path), recursive === true) as undefined,
    remove: (path, recursive) => tree.remove(key(path), recursive === true) as undefined,
  };
}

function latin1(data: Uint8Array): string {
  let text = '';
  for (const byte of data) text += String.fromCharCode(byte);
  return text;
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255);
}

function handIn(context: QuickJSContext, functions: Handed): void {
  const object = context.newObject();
  for (const [name, inner] of Object.entries(functions)) {
    const handle = context.newFunction(name, (...handles) => {
      const args = handles.map((one) => plain(context, one));
      try {
        const given = inner(...args);
        if (typeof given === 'string') return context.newString(given);
        if (typeof given === 'number') return context.newNumber(given);
        return context.undefined;
      } catch (error) {
        return { error: context.newError({ name: 'Error', message: error instanceof Error ? error.message : '' }) };
      }
    });
    context.setProp(object, name, handle);
    handle.dispose();
  }
  context.setProp(context.global, '__arc', object);
  object.dispose();
}

/** Strings, numbers and truth values of the program; everything else is nothing. */
function plain(context: QuickJSContext, handle: QuickJSHandle): Given {
  const type = context.typeof(handle);
  if (type === 'string') return context.getString(handle);
  if (type === 'number') return context.getNumber(handle);
  return type === 'boolean' ? context.dump(handle) === true : undefined;
}

/** Runs what was put off, until nothing more is to come. */
function turn(context: QuickJSContext, end: (code: number) => never): void {
  for (;;) {
    const jobs = context.runtime.executePendingJobs();
    if (jobs.error) fail(context, jobs.error as QuickJSHandle, end);
    const wait = Number(plain(context, take(context, context.evalCode('__arcTurn()', 'arc:turn'), end)));
    if (context.runtime.hasPendingJob()) continue;
    if (Number.isNaN(wait) || wait < 0) return;
    if (wait > 0) sleep(wait);
  }
}

type Result = ReturnType<QuickJSContext['evalCode']>;

function take(context: QuickJSContext, result: Result, end: (code: number) => never): QuickJSHandle {
  if (result.error) return fail(context, result.error, end);
  return result.value;
}

function must(context: QuickJSContext, text: string, name: string, end: (code: number) => never): void {
  take(context, context.evalCode(text, name), end).dispose();
}

function say2(context: QuickJSContext, value: QuickJSHandle): void {
  context.setProp(context.global, '__arcValue', value);
  context.evalCode('print(__arcValue)', 'arc:print');
}

function fail(context: QuickJSContext, error: QuickJSHandle, end: (code: number) => never): never {
  const text = (name: string) => plain(context, context.getProp(error, name));
  const isObject = context.typeof(error) === 'object';
  const message = isObject
    ? `${text('name') ?? 'Error'}: ${text('message') ?? ''}`
    : `Uncaught ${String(plain(context, error))}`;
  say(`${message}\n${isObject ? String(text('stack') ?? '').trimEnd() : ''}`.trimEnd());
  return end(1);
}

function resolveModule(from: string, name: string, cwd: string): string {
  if (!name.startsWith('.') && !name.startsWith('/')) throw new Error(`Cannot find package '${name}'`);
  const folder = from.startsWith('/') ? from.split('/').slice(0, -1).join('/') : cwd;
  return `/${MemoryFiles.key(folder, name)}`;
}

function moduleKey(name: string, tree: MemoryFiles): string {
  const key = MemoryFiles.key('/', name);
  return [key, `${key}.js`, `${key}.mjs`].find((one) => tree.kind(one) === 'file') ?? key;
}
