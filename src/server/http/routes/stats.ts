import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { ProcessEntry, Stats } from '../../../contract/schemas/exec.ts';
import type { SandboxRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf } from '../app.ts';
import { LIST_LIMIT_MAX, STATS_AT_ONCE } from '../limits.ts';
import { type MeasuredSandbox, sandboxMetrics } from '../metrics/sandboxes.ts';
import { statsView } from '../view.ts';
import { capability } from './exec-order.ts';
import { filterOf, items, ListQuery, SandboxParams } from './query.ts';

const tags = ['stats'];
const StatsList = Type.Object(
  { items: Type.Array(Stats), nextCursor: Type.Optional(Type.String()) },
  { additionalProperties: false, $id: 'StatsList' },
);

export function statsRoutes(app: App, { deps }: ApiContext): void {
  const { sandboxes, clock } = deps;
  const measure = async (record: SandboxRecord): Promise<Stats> => {
    const stats = capability(sandboxes.engine, sandboxes.engine.stats, 'measure');
    const raw = await stats.stats({ id: record.id, incarnation: record.incarnation });
    return statsView(record, raw, clock.now());
  };
  app.get(
    '/v1/sandboxes/:id/stats',
    { schema: { tags, summary: 'What it uses now', params: SandboxParams, response: { 200: answer('It', Stats) } } },
    async (request) => measure(await sandboxes.target(callerOf(request), request.params.id)),
  );
  app.get(
    '/v1/sandboxes/:id/processes',
    {
      schema: {
        tags,
        summary: 'Its processes',
        params: SandboxParams,
        response: { 200: answer('All', items('ProcessList', ProcessEntry)) },
      },
    },
    async (request) => {
      const record = await sandboxes.target(callerOf(request), request.params.id);
      const stats = capability(sandboxes.engine, sandboxes.engine.stats, 'measure');
      return { items: await stats.processes({ id: record.id, incarnation: record.incarnation }) };
    },
  );
  app.get(
    '/v1/stats',
    {
      schema: {
        tags,
        summary: 'What all that run use now',
        description: 'Running sandboxes; those that end meanwhile are left out.',
        querystring: Type.Omit(ListQuery, ['state'], { additionalProperties: false }),
        response: { 200: answer('A page', StatsList) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      if (request.query.owner !== undefined && !caller.scopes.includes('admin')) {
        throw new ArcError('forbidden', 'only the scope admin may ask for another owner');
      }
      const page = await sandboxes.list(caller, { ...filterOf(request.query), state: 'running' });
      const measured = await each(page.items, measure);
      return { items: measured, ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }) };
    },
  );
}

/** Sandboxes that one scrape shows at most. */
const SCRAPED_MAX = 5_000;
const SCRAPED_LABELS_MAX = 8;
const LabelQuery = Type.Object(
  {
    label: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 63 }), {
        maxItems: SCRAPED_LABELS_MAX,
        description: 'Keys of labels that become labels of the metrics',
      }),
    ),
  },
  { additionalProperties: false },
);

/** Apart from `/metrics`, which is public and bounded: this names sandboxes and owners, and is as long as there are any. */
export function sandboxMetricRoutes(app: App, { deps }: ApiContext): void {
  const { sandboxes } = deps;
  const measure = async (record: SandboxRecord): Promise<MeasuredSandbox> => {
    const stats = capability(sandboxes.engine, sandboxes.engine.stats, 'measure');
    return { record, stats: await stats.stats({ id: record.id, incarnation: record.incarnation }) };
  };
  app.get(
    '/v1/metrics',
    {
      schema: {
        tags,
        summary: 'What each sandbox that runs uses now, for Prometheus',
        querystring: LabelQuery,
        response: { 200: { description: 'Prometheus text', content: { 'text/plain': { schema: Type.String() } } } },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const all: MeasuredSandbox[] = [];
      for (let cursor: string | undefined; all.length < SCRAPED_MAX; ) {
        const page = await sandboxes.list(caller, {
          ...{ state: 'running', limit: LIST_LIMIT_MAX },
          ...(cursor === undefined ? {} : { cursor }),
        });
        all.push(...(await each(page.items, measure)));
        cursor = page.nextCursor;
        if (cursor === undefined) break;
      }
      const text = await sandboxMetrics(all.slice(0, SCRAPED_MAX), request.query.label ?? []);
      return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text);
    },
  );
}

/** A few at a time; what has ended since it was listed is no error of the whole. */
async function each<T>(records: readonly SandboxRecord[], measure: (one: SandboxRecord) => Promise<T>): Promise<T[]> {
  const results: (T | undefined)[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < records.length; at = next++) {
      const record = records[at];
      if (record !== undefined) results[at] = await measure(record).catch(goneMeanwhile);
    }
  };
  await Promise.all(Array.from({ length: STATS_AT_ONCE }, worker));
  return results.filter((stats): stats is Awaited<T> & T => stats !== undefined);
}

function goneMeanwhile(error: unknown): undefined {
  const codes: readonly string[] = ['sandbox_not_found', 'sandbox_gone', 'wrong_state', 'conflict'];
  if (error instanceof ArcError && codes.includes(error.code)) return undefined;
  throw error;
}
