/** Durations and sizes as people write them (`"30m"`, `"64MiB"`) and as code reads them (ms, bytes). */

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_UNITS_BYTES = {
  B: 1,
  kB: 1_000,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
} as const;

export const DURATION_PATTERN = '^(0|([0-9]{1,9}(ms|s|m|h|d))+)$';
export const SIZE_PATTERN = '^[0-9]{1,12}(\\.[0-9]{1,3})?(B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)$';

/** `"1h30m"` → 5,400,000. Gives `undefined` for what is not a duration; the caller knows which field to name. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!new RegExp(DURATION_PATTERN).test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) {
    total += Number(count) * DURATION_UNITS_MS[unit as keyof typeof DURATION_UNITS_MS];
  }
  return Number.isSafeInteger(total) ? total : undefined;
}

/** `"64MiB"` → 67,108,864. Gives `undefined` for what is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,12}(?:\.[0-9]{1,3})?)(B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)$/.exec(text);
  if (!match) return undefined;
  const unit = SIZE_UNITS_BYTES[match[2] as keyof typeof SIZE_UNITS_BYTES];
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** 5,400,000 → `"1h30m"`. */
export function formatDuration(ms: number): string {
  if (ms <= 0) return '0';
  let rest = Math.round(ms);
  let text = '';
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** 67,108,864 → `"64MiB"`: the largest binary unit that divides it evenly, so that parsing gives the same bytes. */
export function formatSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    if (bytes >= SIZE_UNITS_BYTES[unit] && bytes % SIZE_UNITS_BYTES[unit] === 0) {
      return `${bytes / SIZE_UNITS_BYTES[unit]}${unit}`;
    }
  }
  return `${bytes}B`;
}
