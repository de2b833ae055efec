import { constants } from 'node:os';
import { ArcError } from '../../contract/errors.ts';

/** Lowest and highest real-time signal as programs number them (glibc keeps 32 and 33). */
const RTMIN = 34;
const RTMAX = 64;

const BY_NAME = new Map<string, number>(Object.entries(constants.signals));
const ALIASES = new Set(['SIGIOT', 'SIGPOLL', 'SIGCLD', 'SIGUNUSED']);
const BY_NUMBER = new Map<number, string>(
  [...BY_NAME].filter(([name]) => !ALIASES.has(name)).map(([name, number]) => [number, name]),
);

/** `SIGTERM`, `TERM`, `SIGRTMIN+3` → number. */
export function signalNumber(name: string): number {
  const upper = name.toUpperCase();
  const full = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const known = BY_NAME.get(full);
  if (known !== undefined) return known;
  const realtime = /^SIGRTMIN(?:\+(\d{1,2}))?$/.exec(full);
  const number = realtime ? RTMIN + Number(realtime[1] ?? 0) : 0;
  if (number >= RTMIN && number <= RTMAX) return number;
  throw new ArcError('invalid_request', `there is no signal ${JSON.stringify(name.slice(0, 40))}`);
}

export function signalName(number: number): string {
  return BY_NUMBER.get(number) ?? (number >= RTMIN ? `SIGRTMIN+${number - RTMIN}` : `SIG${number}`);
}
