import { WAIT } from '../../host/builtins/wait.ts';
import type { EngineName } from './order.ts';

/** What a command is at this level: a program for an engine, or the wish to be there and wait. */
export type Chosen = { readonly engine: EngineName } | { readonly engine: 'stay'; readonly ms?: number };

const NAMES: Readonly<Record<string, EngineName>> = {
  python: 'python',
  python3: 'python',
  node: 'js',
  js: 'js',
  qjs: 'js',
};
const FOLDERS = ['/bin/', '/usr/bin/', '/usr/local/bin/'];

export const WHAT_RUNS = 'python3, node (JavaScript by QuickJS), and WASI modules (a path that ends in .wasm)';

/**
 * @param isFile is there such a file in the sandbox?
 * @returns undefined: there is no such program at this level
 */
export function chooseEngine(command: readonly string[], isFile: (path: string) => boolean): Chosen | undefined {
  const [program = '', argument = ''] = command;
  if (command.length === WAIT.length && command.every((part, at) => part === WAIT[at])) return { engine: 'stay' };
  const folder = FOLDERS.find((one) => program.startsWith(one)) ?? '';
  const name = program.slice(folder.length);
  if (name === 'sleep') return stay(argument);
  if (Object.hasOwn(NAMES, name)) return { engine: NAMES[name] as EngineName };
  return program.endsWith('.wasm') && isFile(program) ? { engine: 'wasi' } : undefined;
}

function stay(text: string): Chosen | undefined {
  if (text === 'infinity') return { engine: 'stay' };
  return /^\d+(\.\d+)?$/.test(text) ? { engine: 'stay', ms: Number(text) * 1000 } : undefined;
}
