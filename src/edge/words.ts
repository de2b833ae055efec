import type { Reason, State } from '../contract/states.ts';
import { formatDuration } from '../contract/units.ts';

/** Why a sandbox is as it is, as the end of a sentence that begins with what happened. */
const BECAUSE: Readonly<Record<Reason, string>> = {
  user: 'because somebody asked for it',
  claimed: 'as somebody got it from the pool of its template',
  created: 'as a new sandbox',
  ready: 'after it was ready',
  exit: 'because its program ended',
  oom: 'because it used more memory than its limit',
  'start-failed': 'because it could not be started',
  'not-ready': 'because it was not ready in time',
  ttl: 'because its time was up',
  extend: 'because somebody gave it more time',
  network: 'when somebody changed its network',
  'soft-limit': 'because nobody used it for a while',
  'hard-limit': 'because nobody used it for a long while',
  wake: 'because somebody came back to it',
  restart: 'because somebody restarted it',
  reset: 'because somebody reset it',
  adopted: 'when Arc itself was started again',
  'node-lost': 'because the machine that held it was restarted or lost',
  pressure: 'because its machine had to make room',
};

const WHAT: Readonly<Record<State, string>> = {
  queued: 'It was queued',
  starting: 'Its start began',
  running: 'It began to run',
  warned: 'It was warned that it will stop',
  frozen: 'It was frozen',
  stopped: 'It stopped',
  failed: 'It failed',
  removed: 'It was removed',
};

/** `It was removed 3m ago (Mon, 02 Jun 2025 10:00:03 GMT) because its time was up: …` */
export function happened(state: State, reason: Reason, detail: string | undefined, since: number, now: number): string {
  const text = `${WHAT[state]} ${when(since, now)} ${BECAUSE[reason]}`;
  return detail ? `${text}: ${detail.replace(/\.$/, '')}.` : `${text}.`;
}

function when(since: number, now: number): string {
  const at = new Date(since).toUTCString();
  const ms = now - since;
  if (ms < 1_000) return `just now (${at})`;
  // Two units are enough for people: 1d3h, not 1d3h12m8s.
  const words = formatDuration(ms - (ms % 1_000)).match(/^\d+[a-z]+(?:\d+[a-z]+)?/)?.[0] ?? '';
  return `${words} ago (${at})`;
}
