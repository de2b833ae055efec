import { type Static, Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { LogEntry } from '../../../contract/schemas/exec.ts';
import type { LogChunk } from '../../../engines/engine.ts';
import type { Caller } from '../../service.ts';
import { type ApiContext, type App, accepts, callerOf } from '../app.ts';
import { convertTexts, lazyCheck, refuse } from '../guard/validate.ts';
import { untilAborted } from '../stream/abort.ts';
import { NDJSON, SSE, streamTexts } from '../stream/respond.ts';
import { logView } from '../view.ts';
import { capability } from './exec-order.ts';
import { SandboxParams } from './query.ts';

const LogsQuery = Type.Object(
  {
    since: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Entries after this sequence number; 0: all that is kept' }),
    ),
    tail: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'At most so many of the newest' })),
    follow: Type.Optional(Type.Boolean({ description: 'Go on with what comes; for SSE and WebSocket the default' })),
  },
  { additionalProperties: false },
);
type LogsQuery = Static<typeof LogsQuery>;
const checkQuery = lazyCheck(LogsQuery);

/** The journal as lines of JSON, as server-sent events, or over a WebSocket. Each resumes exactly where it was cut. */
export function logRoutes(app: App, context: ApiContext): void {
  const { clock, logger } = context.deps;
  app.get(
    '/v1/sandboxes/:id/logs',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['logs'],
        summary: 'What a sandbox has said',
        description:
          'Lines of JSON; with `Accept: text/event-stream` server-sent events whose ids are sequence numbers (`Last-Event-ID` resumes); as a WebSocket one entry a message.',
        params: SandboxParams,
        querystring: LogsQuery,
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 32 })) }),
        response: {
          200: {
            description: 'Entries of the journal',
            content: { 'application/x-ndjson': { schema: LogEntry }, 'text/event-stream': { schema: LogEntry } },
          },
        },
      },
    },
    async (request, reply) => {
      const sse = accepts(request, SSE.contentType);
      const query = { follow: sse, ...request.query, ...resumeFrom(request.headers['last-event-id']) };
      const signal = context.live.signal(reply, query.follow ? 'stream' : 'request');
      const chunks = await read(context, callerOf(request), request.params.id, query, signal);
      const format = sse ? SSE : NDJSON;
      const texts = async function* () {
        for await (const chunk of chunks) yield format.encode(logView(chunk), sse ? chunk.seq : undefined);
        if (sse && !signal.aborted) yield format.encode({}, undefined, 'end');
      };
      await streamTexts(request, reply, texts(), { format, clock, log: logger, signal });
      return reply;
    },
  );
  context.sockets.add({
    url: '/v1/sandboxes/:id/logs',
    check: async ({ caller, sandbox, query }) => {
      queryOf(query);
      await context.deps.sandboxes.target(caller, sandbox, { anyState: true });
    },
    serve: async (channel, { caller, sandbox, query }, signal) => {
      channel.listen(() => {});
      const chunks = await read(context, caller, sandbox, { follow: true, ...queryOf(query) }, signal);
      for await (const chunk of chunks) await channel.send(logView(chunk));
    },
  });
}

async function read(
  { deps }: ApiContext,
  caller: Caller,
  id: string,
  query: LogsQuery & { readonly follow: boolean },
  signal: AbortSignal,
): Promise<AsyncIterable<LogChunk>> {
  const { engine } = deps.sandboxes;
  const record = await deps.sandboxes.target(caller, id, { anyState: true });
  const logs = capability(engine, engine.logs, 'keep logs of');
  const { since = 0, follow, tail } = query;
  return untilAborted(logs.read(record.id, { since, follow, ...(tail === undefined ? {} : { tail }) }, signal), signal);
}

export function resumeFrom(lastEventId: string | undefined): { since?: number } {
  if (lastEventId === undefined || lastEventId === '') return {};
  if (!/^[0-9]{1,15}$/.test(lastEventId)) throw new ArcError('invalid_request', 'Last-Event-ID: must be a number');
  return { since: Number(lastEventId) };
}

function queryOf(params: URLSearchParams): LogsQuery {
  const query = convertTexts(LogsQuery, Object.fromEntries(params));
  const faults = checkQuery(query, 'query');
  if (faults.length > 0) throw refuse(faults);
  return query as LogsQuery;
}
