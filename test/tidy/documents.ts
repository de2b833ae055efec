import { dirname, join, normalize } from 'node:path';
import type { Source } from './sources.ts';

/** Folders that a path in a document is beneath when it means a file of the repository. */
const OURS = /^(src|native|test|bench|docs|deploy|examples|\.ci)\//;

/** Paths of the repository that a document names: in backticks, or as the target of a link. */
export function namedPaths(file: Source): readonly { readonly path: string; readonly line: number }[] {
  return file.lines.flatMap((line, index) => {
    const quoted = [...line.matchAll(/`([^`\s]+)`/g)].map(([, name = '']) => name).filter((name) => OURS.test(name));
    const linked = [...line.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, name = '']) => name.replace(/#.*$/, ''))
      .filter((name) => name !== '' && !/^[a-z]+:/.test(name))
      .map((name) => normalize(join(dirname(file.path), name)));
    return [...quoted, ...linked].map((path) => ({ path: path.replace(/[:/]+$/, ''), line: index + 1 }));
  });
}

/** A name with a star, braces or capitals for a blank stands for many. */
export const isPattern = (path: string): boolean => /[*{}<>…]|\bNAME\b/.test(path);

/** Lines that are headings of the first rank, outside of fenced text. */
export function titles(file: Source): readonly string[] {
  let fenced = false;
  return file.lines.filter((line) => {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced;
    return !fenced && /^# \S/.test(line);
  });
}
