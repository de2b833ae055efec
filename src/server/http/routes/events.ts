import { Type } from 'typebox';
import { Event } from '../../../contract/schemas/sandbox.ts';
import type { EventRecord } from '../../service.ts';
import { type ApiContext, type App, accepts, callerOf } from '../app.ts';

import { untilAborted } from '../stream/abort.ts';
import { NDJSON, SSE, streamTexts } from '../stream/respond.ts';
import { eventView } from '../view.ts';
import { resumeFrom } from './logs.ts';

/** Every change the caller may see, as it happens; goes on until the client leaves. */
export function eventRoutes(app: App, context: ApiContext): void {
  const { sandboxes, clock, logger } = context.deps;
  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['events'],
        summary: 'Changes as they happen',
        description:
          'Server-sent events whose ids resume (`Last-Event-ID`, or `since`); without either, what comes from now on. The first message, `here`, says from where. With `Accept: application/x-ndjson` lines of JSON.',
        querystring: Type.Object(
          { since: Type.Optional(Type.Integer({ minimum: 0, description: 'Events after this id' })) },
          { additionalProperties: false },
        ),
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 32 })) }),
        response: {
          200: {
            description: 'Events',
            content: { 'text/event-stream': { schema: Event }, 'application/x-ndjson': { schema: Event } },
          },
        },
      },
    },
    async (request, reply) => {
      const asked = { ...request.query, ...resumeFrom(request.headers['last-event-id']) };
      const since = asked.since ?? (await sandboxes.newestEvent());
      const format = accepts(request, NDJSON.contentType) ? NDJSON : SSE;
      const signal = context.live.signal(reply, 'stream');
      const caller = callerOf(request);
      const shown = (event: EventRecord): EventRecord => (caller.link ? { ...event, owner: '', labels: {} } : event);
      const events = sandboxes.events(caller, since, signal);
      const texts = async function* () {
        // Whoever lists things after this message misses nothing, and can come back before the first event.
        if (format === SSE) yield SSE.encode({ id: since }, since, 'here');
        for await (const { seq, event } of untilAborted(events, signal)) {
          yield format.encode(eventView(seq, shown(event)), format === SSE ? seq : undefined);
        }
      };
      await streamTexts(request, reply, texts(), { format, clock, log: logger, signal });
      return reply;
    },
  );
}
