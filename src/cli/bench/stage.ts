import { ArcError } from '../../contract/errors.ts';
import type { Level } from '../../contract/states.ts';
import type { Clock } from '../../kit/clock.ts';
import { median } from '../../kit/percentile.ts';
import type { Client } from '../../sdk/client.ts';
import { quickTransport } from '../plain-http.ts';
import type { NodeLook } from './node-look.ts';
import type { Own } from './own.ts';

/** Longest wait for a first answer, for a pool, for a sandbox to be parked, ms. */
const PATIENCE_MS = 120_000;
const POLL_MS = 10;
/** A request that was refused is sent again after this, ms. */
const AGAIN_MS = 1;
const READINGS = 5;
const READING_EVERY_MS = 40;

/** What the measurements of one level have in common. */
export interface Stage {
  readonly client: Client;
  readonly clock: Clock;
  readonly own: Own;
  readonly level: Level;
  readonly rounds: number;
  /** Base address of the edge. */
  readonly edge: string;
  /** Aborted when the person gives it up. */
  readonly signal: AbortSignal;
  /** Undefined where this is not the node, or not its administrator. */
  readonly look: NodeLook | undefined;
  readonly say: (what: string) => Promise<void>;
}

/** ms that the work takes. */
export async function timed(stage: Stage, work: () => Promise<unknown>): Promise<number> {
  stage.signal.throwIfAborted();
  const began = stage.clock.monotonic();
  await work();
  return stage.clock.monotonic() - began;
}

/** GET through the edge until the first 200. */
export async function firstAnswer(stage: Stage, id: string): Promise<void> {
  const deadline = stage.clock.monotonic() + PATIENCE_MS;
  const url = `${stage.edge}/_sb/${id}/`;
  for (;;) {
    const answer = await quickTransport({ method: 'GET', url, headers: {}, signal: stage.signal });
    for await (const _ of answer.body);
    if (answer.status === 200) return;
    if (stage.clock.monotonic() > deadline)
      throw new ArcError('unavailable', `${id} answers ${answer.status} through the edge, and not 200`);
    await stage.clock.sleep(AGAIN_MS, stage.signal);
  }
}

/** Asks until it holds. Throws `unavailable` with what was waited for. */
export async function untilHolds(stage: Stage, what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = stage.clock.monotonic() + PATIENCE_MS;
  while (!(await holds())) {
    if (stage.clock.monotonic() > deadline) throw new ArcError('unavailable', `${what}: not within ${PATIENCE_MS} ms`);
    await stage.clock.sleep(POLL_MS, stage.signal);
  }
}

/** MemAvailable, the median of some readings; undefined where it can't be read. */
export async function available(stage: Stage): Promise<number | undefined> {
  if (stage.look === undefined) return undefined;
  const readings: number[] = [];
  for (let reading = 0; reading < READINGS; reading += 1) {
    readings.push(stage.look.availableBytes());
    await stage.clock.sleep(READING_EVERY_MS, stage.signal);
  }
  return median(readings);
}

/** Bytes that each of so many took; undefined where it was lost in what else the machine did meanwhile. */
export function eachOf(before: number | undefined, after: number | undefined, count: number): number | undefined {
  if (before === undefined || after === undefined || count === 0) return undefined;
  return before > after ? Math.round((before - after) / count) : undefined;
}
