import type { Pool } from '../../contract/schemas/template.ts';
import { DAYS, type PoolWindow } from '../../contract/spec.ts';

/** When a pool is to be fuller than its floor: plain data and pure steps. */

const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;
const MINUTE_MS = 60_000;

/** A window as a template has it, or what is wrong with it. */
export function readWindow({ min, from, until, days }: NonNullable<Pool['schedule']>[number]): PoolWindow | string {
  if (days === undefined) {
    const [fromMs, untilMs] = [from, until].map((text) => (DATE_TIME.test(text) ? Date.parse(text) : Number.NaN));
    if (fromMs === undefined || untilMs === undefined || Number.isNaN(fromMs + untilMs)) {
      return 'without `days`, `from` and `until` are dates such as 2026-12-01T08:50:00Z';
    }
    return untilMs > fromMs ? { min, fromMs, untilMs } : '`until` is not after `from`';
  }
  const [fromMinute, untilMinute] = [from, until].map(minuteOf);
  if (fromMinute === undefined || untilMinute === undefined) {
    return 'with `days`, `from` and `until` are times of the day such as 08:50';
  }
  if (untilMinute <= fromMinute) return '`until` is not after `from`; a window over midnight is two';
  return { min, days: days.map((day) => DAYS.indexOf(day)), fromMinute, untilMinute };
}

function minuteOf(text: string): number | undefined {
  const [, hours, minutes] = TIME.exec(text) ?? [];
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes);
}

/** How many are to be ready at least at a moment: the floor, or more while windows are open. @param now ms since the epoch */
export function floorAt(floor: number, windows: readonly PoolWindow[], now: number): number {
  return Math.max(floor, ...windows.filter((window) => isOpen(window, now)).map(({ min }) => min));
}

function isOpen(window: PoolWindow, now: number): boolean {
  if ('fromMs' in window) return now >= window.fromMs && now < window.untilMs;
  const date = new Date(now);
  const minute = Math.floor((date.getTime() - startOfDay(date)) / MINUTE_MS);
  return window.days.includes(date.getUTCDay()) && minute >= window.fromMinute && minute < window.untilMinute;
}

function startOfDay(date: Date): number {
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate());
}
