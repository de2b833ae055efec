import type { FastifyReply, FastifyRequest } from 'fastify';
import { ArcError, asArcError } from '../../../contract/errors.ts';
import { ExtendRequest } from '../../../contract/schemas/admin.ts';
import { CreateRequest, Sandbox, SandboxList } from '../../../contract/schemas/sandbox.ts';
import { formatDuration, parseDuration } from '../../../contract/units.ts';
import type { Caller, SandboxRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf } from '../app.ts';
import { sandboxViewFor } from '../view.ts';
import { filterOf, IdempotencyHeaders, ListQuery, SandboxParams, WaitQuery, waitMs } from './query.ts';

const tags = ['sandboxes'];
const made = {
  201: answer('It runs', Sandbox),
  202: answer('It does not run yet; see `state` and `queuePosition`', Sandbox),
};

export function sandboxRoutes(app: App, context: ApiContext): void {
  const { sandboxes, urls } = context.deps;

  app.get(
    '/v1/sandboxes',
    {
      schema: {
        tags,
        summary: 'List sandboxes',
        querystring: ListQuery,
        response: { 200: answer('A page', SandboxList) },
      },
    },
    async (request): Promise<SandboxList> => {
      const caller = callerOf(request);
      if (request.query.owner !== undefined && !caller.scopes.includes('admin')) {
        throw new ArcError('forbidden', 'only the scope admin may ask for another owner');
      }
      const { items, nextCursor } = await sandboxes.list(caller, filterOf(request.query));
      return {
        items: items.map((record) => sandboxViewFor(caller, record, urls)),
        ...(nextCursor === undefined ? {} : { nextCursor }),
      };
    },
  );

  const one = { params: SandboxParams, response: { 200: answer('The sandbox', Sandbox) } };
  app.get('/v1/sandboxes/:id', { schema: { tags, summary: 'Show a sandbox', ...one } }, async (request) => {
    const caller = callerOf(request);
    return sandboxViewFor(caller, await sandboxes.get(caller, request.params.id), urls);
  });
  app.delete(
    '/v1/sandboxes/:id',
    { schema: { tags, summary: 'Remove a sandbox and all of it', ...one } },
    async (request) => {
      const caller = callerOf(request);
      return sandboxViewFor(caller, await sandboxes.remove(caller, request.params.id), urls);
    },
  );
  app.post(
    '/v1/sandboxes/:id/extend',
    { schema: { tags, summary: 'Give a sandbox more time', body: ExtendRequest, ...one } },
    async (request) => {
      const ms = parseDuration(request.body.by);
      if (ms === undefined || ms === 0) throw new ArcError('invalid_request', 'body.by: must be a duration above 0');
      const caller = callerOf(request);
      if (caller.link !== undefined && ms > caller.link.extendMs) {
        throw new ArcError('forbidden', `this link extends by at most ${formatDuration(caller.link.extendMs)} at once`);
      }
      return sandboxViewFor(caller, await sandboxes.extend(caller, request.params.id, ms), urls);
    },
  );
  createRoute(app, context);
  againRoutes(app, context);
}

function createRoute(app: App, context: ApiContext): void {
  const { sandboxes, clock, urls } = context.deps;
  app.post(
    '/v1/sandboxes',
    {
      schema: {
        tags,
        summary: 'Create a sandbox',
        querystring: WaitQuery,
        headers: IdempotencyHeaders,
        body: CreateRequest,
        response: made,
      },
    },
    async (request, reply) => {
      const startedAt = clock.monotonic();
      const idempotencyKey = request.headers['idempotency-key'];
      const options = {
        waitMs: waitMs(request.query.wait),
        signal: context.live.signal(reply),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      };
      const record = await traced(context, request, () => sandboxes.create(callerOf(request), request.body, options));
      if (record.state === 'running') context.metrics.started(record.spec.isolation, clock.monotonic() - startedAt);
      reply.header('location', `/v1/sandboxes/${record.id}`).code(isPending(record) ? 202 : 201);
      return sandboxViewFor(callerOf(request), record, urls);
    },
  );
}

type Traced = Pick<FastifyRequest, 'headers' | 'id'> & { readonly body: { readonly template: string } };

/** Costs nothing where nobody takes traces. */
async function traced(
  { deps }: ApiContext,
  { headers, id: requestId, body }: Traced,
  create: () => Promise<SandboxRecord>,
): Promise<SandboxRecord> {
  const { clock, traces } = deps;
  if (traces === undefined) return await create();
  const startMs = clock.now();
  const header = headers.traceparent;
  const about = { startMs, traceparent: typeof header === 'string' ? header : undefined };
  const attributes = { 'arc.template': body.template, 'arc.request': requestId };
  try {
    const record = await create();
    const { id, spec, start = 'cold', owner } = record;
    const more = { 'arc.isolation': spec.isolation, 'arc.start': start, 'arc.owner': owner };
    traces.created({ ...about, id, attributes: { ...attributes, ...more } });
    return record;
  } catch (error) {
    traces.created({ ...about, id: undefined, attributes, error: asArcError(error).message });
    throw error;
  }
}

function againRoutes(app: App, context: ApiContext): void {
  const { sandboxes, urls } = context.deps;
  const schema = {
    tags,
    params: SandboxParams,
    querystring: WaitQuery,
    response: { 200: answer('It runs', Sandbox), 202: made[202] },
  };
  const send = (caller: Caller, reply: FastifyReply, record: SandboxRecord) => {
    reply.code(isPending(record) ? 202 : 200);
    return sandboxViewFor(caller, record, urls);
  };
  app.post(
    '/v1/sandboxes/:id/restart',
    { schema: { ...schema, summary: 'Start its command again; its files stay' } },
    async (request, reply) => {
      const options = { waitMs: waitMs(request.query.wait), signal: context.live.signal(reply) };
      return send(callerOf(request), reply, await sandboxes.restart(callerOf(request), request.params.id, options));
    },
  );
  app.post(
    '/v1/sandboxes/:id/reset',
    { schema: { ...schema, summary: 'Make it fresh from its template; same id and address' } },
    async (request, reply) => {
      const options = { waitMs: waitMs(request.query.wait), signal: context.live.signal(reply) };
      return send(callerOf(request), reply, await sandboxes.reset(callerOf(request), request.params.id, options));
    },
  );
}

function isPending(record: SandboxRecord): boolean {
  return record.state === 'queued' || record.state === 'starting';
}
