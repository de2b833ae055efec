import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** What is not ours, or is made by a program. */
const LEFT_OUT = new Set(['node_modules', '.git', '.arc', 'build', '.cache']);

export interface Source {
  /** Beneath the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

let all: readonly string[] | undefined;

/** Every file of the repository, tracked or not yet. */
export function paths(): readonly string[] {
  all ??= [...walk(ROOT)].sort();
  return all;
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield relative(ROOT, path);
  }
}

/** `undefined` for a file that another program removed meanwhile. */
function open(path: string): Source | undefined {
  try {
    const text = readFileSync(join(ROOT, path), 'utf8');
    return { path, text, lines: text.split('\n') };
  } catch {
    return undefined;
  }
}

export function sources(pattern: RegExp): readonly Source[] {
  return paths()
    .filter((path) => pattern.test(path))
    .flatMap((path) => open(path) ?? []);
}

export const isTest = (path: string): boolean => /\.test\.ts$|^test\//.test(path);

/** The lines of a program without its comments, so that a sentence about a ban does not break it. */
export function codeLines(source: Source): readonly string[] {
  let inside = false;
  return source.lines.map((line) => {
    if (inside) {
      const end = line.indexOf('*/');
      if (end < 0) return '';
      inside = false;
      return line.slice(end + 2);
    }
    const code = line.replace(/\/\*.*?\*\//g, '');
    const start = /(^|\s)\/\*/.exec(code);
    if (start !== null) {
      inside = true;
      return code.slice(0, start.index);
    }
    return code.replace(/(^|\s)\/\/.*$/, '');
  });
}

export function source(path: string, text: string): Source {
  return { path, text, lines: text.split('\n') };
}
