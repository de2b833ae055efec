/** Times and sizes for people: short, rounded, never to be parsed again. */

const STEPS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** 5,430,000 → `1h30m`: the two largest units. */
export function roughDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms / 1000) * 1000);
  if (rest === 0) return '0s';
  let text = '';
  let units = 0;
  for (const [unit, size] of STEPS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    if (text !== '') units += 1;
    rest -= count * size;
    if (units === 2) break;
  }
  return text;
}

export function ago(time: string | undefined, now: number): string {
  return time === undefined ? '' : roughDuration(now - Date.parse(time));
}

export function until(time: string | undefined, now: number): string {
  if (time === undefined) return '';
  const left = Date.parse(time) - now;
  return left <= 0 ? 'now' : roughDuration(left);
}

/** 1,610,612,736 → `1.5GiB` */
export function roughSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))}${units[unit]}`;
}

export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => (value === '' ? key : `${key}=${value}`))
    .join(',');
}
