/** Amounts and times as people read them. Pure. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `64MiB` → bytes; 0 for what is no size. */
export function parseBytes(text: string): number {
  const [, number = '0', unit = 'B'] = /^([0-9.]+)\s*([KMGT]i?B|B|kB)$/.exec(text) ?? [];
  const base = unit.includes('i') ? 1024 : 1000;
  return Number(number) * base ** Math.max(0, ['B', 'K', 'M', 'G', 'T'].indexOf(unit[0]?.toUpperCase() ?? 'B'));
}

/** One or two units, the coarsest first: `45 s`, `12 m`, `3 h 05 m`, `2 d 4 h`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, '0')} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** What is left, to the second where that matters: `4:09`, `1:02:30`, `2 d 4 h`. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds >= 86_400) return span(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest.replace(/^0(?=\d)/, '');
}

export function clockTime(text: string | number): string {
  return new Date(text).toLocaleTimeString(undefined, { hour12: false });
}

export function dateTime(text: string | number): string {
  return new Date(text).toLocaleString(undefined, { hour12: false });
}

export function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, Math.max(0, (part / whole) * 100)) : 0;
}

/** `soft-limit` → `soft limit`. */
export const words = (name: string): string => name.replaceAll('-', ' ');

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

/** Permission bits as `ls` writes them. */
export function modeText(mode: number): string {
  return [6, 3, 0]
    .map((shift) => ['r', 'w', 'x'].map((c, i) => ((mode >> shift) & (4 >> i) ? c : '-')).join(''))
    .join('');
}
