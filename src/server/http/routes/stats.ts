import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { ProcessEntry, Stats } from '../../../contract/schemas/exec.ts';
import type { SandboxRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf } from '../app.ts';
import { STATS_AT_ONCE } from '../limits.ts';
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

/** A few at a time; what has ended since it was listed is no error of the whole. */
async function each(
  records: readonly SandboxRecord[],
  measure: (one: SandboxRecord) => Promise<Stats>,
): Promise<Stats[]> {
  const results: (Stats | undefined)[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < records.length; at = next++) {
      const record = records[at];
      if (record !== undefined) results[at] = await measure(record).catch(goneMeanwhile);
    }
  };
  await Promise.all(Array.from({ length: STATS_AT_ONCE }, worker));
  return results.filter((stats) => stats !== undefined);
}

function goneMeanwhile(error: unknown): undefined {
  const codes: readonly string[] = ['sandbox_not_found', 'sandbox_gone', 'wrong_state', 'conflict'];
  if (error instanceof ArcError && codes.includes(error.code)) return undefined;
  throw error;
}
