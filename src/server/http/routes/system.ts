import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { Info, NodeView } from '../../../contract/schemas/admin.ts';
import { LevelView } from '../../../contract/schemas/levels.ts';
import { levelViews } from '../../../domain/level-views.ts';
import type { NodeReport } from '../../../engines/engine.ts';
import { type ApiContext, type App, answer, callerOf } from '../app.ts';
import { rfc3339 } from '../view.ts';
import { items } from './query.ts';

const tags = ['system'];

/** As the API shows it: times are text there. */
function nodeView(node: NodeReport) {
  const levels = node.levels.map(({ verified, lacks, ...level }) => ({
    ...level,
    ...(lacks && { lacks: [...lacks] }),
    ...(verified && { verified: { ...verified, at: rfc3339(verified.at) } }),
  }));
  return { ...node, levels };
}

/** Health, readiness, metrics, and what this server is. */
export function systemRoutes(app: App, context: ApiContext): void {
  const { sandboxes, readiness, urls, config } = context.deps;
  const status = Type.Object({ status: Type.String(), detail: Type.Optional(Type.String()) });

  app.get(
    '/healthz',
    { schema: { tags, summary: 'The server answers', response: { 200: answer('It does', status) } } },
    async () => ({ status: 'ok' }),
  );
  app.get(
    '/readyz',
    { schema: { tags, summary: 'The server can do its work', response: { 200: answer('It can', status) } } },
    async () => {
      const { ready, detail } = readiness();
      if (!ready) throw new ArcError('unavailable', detail ?? 'the server is starting');
      return { status: 'ready' };
    },
  );
  app.get(
    '/metrics',
    {
      schema: {
        tags,
        summary: 'Counts and durations for Prometheus',
        response: { 200: { description: 'Prometheus text', content: { 'text/plain': { schema: Type.String() } } } },
      },
    },
    async (_, reply) => reply.type(context.metrics.registry.contentType).send(await context.metrics.registry.metrics()),
  );
  app.get(
    '/v1/info',
    { schema: { tags, summary: 'What this server is, and who the key is', response: { 200: answer('It', Info) } } },
    async (request): Promise<Info> => {
      const { owner, scopes } = callerOf(request);
      const { name, capabilities } = sandboxes.engine;
      return {
        version: config.version,
        domain: urls.domain,
        edge: urls.edge(),
        engine: name,
        capabilities: { ...capabilities },
        owner,
        scopes: [...scopes],
      };
    },
  );
  app.get(
    '/v1/levels',
    {
      schema: {
        tags,
        summary: 'The levels of isolation: what each protects from, and whether it is to be had here',
        response: { 200: answer('All, weakest first', items('LevelList', LevelView)) },
      },
    },
    async () => ({ items: levelViews((await sandboxes.nodes()).map(nodeView)) }),
  );
  app.get(
    '/v1/nodes',
    {
      schema: {
        tags,
        summary: 'The machines and their levels',
        response: { 200: answer('All', items('NodeList', NodeView)) },
      },
    },
    async () => ({ items: (await sandboxes.nodes()).map(nodeView) }),
  );
}
