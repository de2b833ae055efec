import { isTest, type Source } from './sources.ts';

export const MAX_LINES = 500;
export const MAX_TEST_LINES = 600;
export const MAX_COLUMNS = 120;
/** The node helper runs as root beside every sandbox: small enough to be read whole. */
export const MAX_HELPER_LINES = 1500;
/** What runs in every virtual machine before its program, beside the helper's parts that it shares. */
export const MAX_GUEST_LINES = 600;

export interface Allowed {
  readonly path: string;
  /** How long it is now; it may shrink, and this number with it, and never grow. */
  readonly lines: number;
  readonly reason: string;
}

/** Files over the limit. This list may only shrink. */
export const ALLOWED: readonly Allowed[] = [];

export function tooLong(files: readonly Source[], allowed: readonly Allowed[] = ALLOWED): readonly string[] {
  return files.flatMap(({ path, lines }) => {
    const count = lines.length - (lines.at(-1) === '' ? 1 : 0);
    const exception = allowed.find((one) => one.path === path);
    const most = exception?.lines ?? (isTest(path) ? MAX_TEST_LINES : MAX_LINES);
    if (count > most) return [`${path} has ${count} lines; split it by idea, ${most} are allowed`];
    if (exception !== undefined && count < most) return [`${path} has shrunk to ${count} lines; lower its entry`];
    return [];
  });
}

/** Lines that no formatter breaks, such as a link or a text of one piece, are let be in Markdown. */
export function tooWide(files: readonly Source[]): readonly string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      [...line].length > MAX_COLUMNS ? [`${path}:${index + 1} is wider than ${MAX_COLUMNS}`] : [],
    ),
  );
}

export function helperLines(files: readonly Source[]): number {
  return files.reduce((sum, { lines }) => sum + lines.length - 1, 0);
}
