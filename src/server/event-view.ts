import type { Event, Sandbox } from '../contract/schemas/sandbox.ts';
import type { EventRecord, StopsRecord } from './service.ts';

/** An event as everybody outside sees it: by the API, and by hooks. */

export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Leaves out what is undefined, so that optional members are absent rather than null. */
export function present<T extends Record<string, unknown>>(members: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<Defined<T>>;
}

export function stopsView({ at, why, then }: StopsRecord): NonNullable<Sandbox['stops']> {
  return { at: rfc3339(at), why, then };
}

export function eventView(seq: number, event: EventRecord): Event {
  const { type, subject, owner, state, from, reason, detail, labels, incarnation, stops, alerts } = event;
  return {
    id: seq,
    time: rfc3339(event.time),
    type,
    subject,
    owner,
    ...present({ state, from, reason, detail, labels: labels && { ...labels }, incarnation }),
    ...present({ stops: stops && stopsView(stops), alerts: alerts && [...alerts] }),
  };
}
