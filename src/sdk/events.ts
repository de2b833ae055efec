import { ArcError } from '../contract/errors.ts';
import type { Event } from '../contract/schemas/sandbox.ts';
import type { Context } from './context.ts';
import { RECONNECTS_MAX } from './logs.ts';
import { fromProblem } from './problem.ts';
import { readSse } from './sse.ts';

export interface EventOptions {
  /** Events after this id; without it, what comes from now on. */
  readonly since?: number;
  readonly signal?: AbortSignal;
  /** Called at each connection with the number that it goes on from: what is listed after that misses nothing. */
  readonly onConnected?: (since: number) => void;
  /** Called when a connection was lost and is about to be made again. */
  readonly onLost?: () => void;
}

const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;

/** Every change, as it happens. A lost connection is made again by itself and goes on from the last id. */
export async function* followEvents(context: Context, options: EventOptions = {}): AsyncGenerator<Event, void, void> {
  const { signal } = options;
  let since = options.since;
  for (let failures = 0; ; failures += 1) {
    try {
      const headers = {
        accept: 'text/event-stream',
        ...(since === undefined ? {} : { 'last-event-id': String(since) }),
      };
      const body = context.http.bytes('GET', '/v1/events', { headers, signal });
      for await (const message of readSse(body)) {
        if (message.event === 'error') throw fromProblem(JSON.parse(message.data));
        failures = 0;
        if (message.event === 'here') {
          since ??= (JSON.parse(message.data) as { id: number }).id;
          options.onConnected?.(since);
          continue;
        }
        // Kinds of message that this version does not know.
        if (message.event !== 'message') continue;
        const event = JSON.parse(message.data) as Event;
        since = event.id;
        yield event;
      }
    } catch (error) {
      const retryable = error instanceof ArcError && error.retryable;
      // Never connected at all is worth saying at once; a connection that was there is made again.
      if (signal?.aborted || !retryable || failures >= RECONNECTS_MAX) throw error;
    }
    options.onLost?.();
    await context.wait(Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(failures, 10), RECONNECT_MAX_MS), signal);
  }
}
