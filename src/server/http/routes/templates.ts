import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { AddTemplateRequest, PruneResult, TemplateView } from '../../../contract/schemas/admin.ts';
import { NAME_PATTERN, Template } from '../../../contract/schemas/template.ts';
import type { AddTemplate, Caller } from '../../service.ts';
import { type ApiContext, type App, accepts, answer, callerOf, noContent } from '../app.ts';
import { ProgressFeed } from '../stream/progress.ts';
import { NDJSON, streamTexts } from '../stream/respond.ts';
import { templateView } from '../view.ts';
import { items } from './query.ts';
import { parseYaml, templateRequest } from './template-body.ts';

const tags = ['templates'];
const Params = Type.Object({ name: Type.String({ pattern: NAME_PATTERN }) }, { additionalProperties: false });

export function templateRoutes(app: App, context: ApiContext): void {
  const { templates } = context.deps;
  app.get(
    '/v1/templates',
    {
      schema: {
        tags,
        summary: 'List templates',
        response: { 200: answer('All', items('TemplateList', TemplateView)) },
      },
    },
    async (request) => ({ items: (await templates.list(callerOf(request))).map(templateView) }),
  );
  app.get(
    '/v1/templates/:name',
    { schema: { tags, summary: 'Show a template', params: Params, response: { 200: answer('It', TemplateView) } } },
    async (request) => templateView(await templates.get(callerOf(request), request.params.name)),
  );
  app.delete(
    '/v1/templates/:name',
    {
      schema: {
        tags,
        summary: 'Remove a template',
        params: Params,
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      await templates.remove(callerOf(request), request.params.name);
      return noContent(reply);
    },
  );
  app.post(
    '/v1/templates/prune',
    {
      schema: {
        tags,
        summary: 'Remove layers that nothing uses',
        response: { 200: answer('What was freed', PruneResult) },
      },
    },
    async (request) => ({ ...(await templates.prune(callerOf(request))) }),
  );
  // A scope of its own, since only here YAML is understood.
  app.register(async (scope) => addRoute(scope.withTypeProvider(), context));
}

function addRoute(app: App, context: ApiContext): void {
  const { templates, clock, logger } = context.deps;
  for (const type of ['application/yaml', 'application/x-yaml', 'text/yaml']) {
    app.addContentTypeParser(type, { parseAs: 'string' }, async (_: FastifyRequest, text: string | Buffer) =>
      parseYaml(text.toString()),
    );
  }
  app.post(
    '/v1/templates',
    {
      // The body is checked in `templateRequest`: which of two shapes it has decides what its faults are called.
      validatorCompiler: () => () => true,
      schema: {
        tags,
        summary: 'Add a template',
        description:
          'The body is the document (JSON or YAML) or `{template, credentials}`. With `Accept: application/x-ndjson` progress comes as lines `{type:"progress",…}` before `{type:"template",template}`.',
        headers: Type.Object({
          'registry-authorization': Type.Optional(
            Type.String({ description: '`Basic` credentials for the registry that holds the image' }),
          ),
        }),
        consumes: ['application/json', 'application/yaml'],
        body: Type.Union([Template, AddTemplateRequest]),
        response: { 201: answer('It', TemplateView) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const header = request.headers['registry-authorization'];
      const { template, credentials } = templateRequest(
        request.body,
        header === undefined ? undefined : String(header),
      );
      refuseServerPath(caller, template);
      const signal = context.live.signal(reply);
      const order: AddTemplate = { template, signal, ...(credentials === undefined ? {} : { credentials }) };
      if (!accepts(request, NDJSON.contentType)) {
        const added = await templates.add(caller, order);
        reply.code(201).header('location', `/v1/templates/${template.name}`);
        return templateView(added);
      }
      const feed = new ProgressFeed(clock, signal);
      const adding = templates.add(caller, { ...order, onProgress: (progress) => feed.take(progress) });
      adding.then(
        () => feed.end(),
        () => feed.end(),
      );
      const texts = async function* () {
        for await (const progress of feed.lines()) yield NDJSON.encode({ type: 'progress', ...progress });
        yield NDJSON.encode({ type: 'template', template: templateView(await adding) });
      };
      await streamTexts(request, reply, texts(), { format: NDJSON, clock, log: logger, signal });
      // However the stream ended: nothing of the adding may be left under way.
      await adding.catch(() => {});
      return reply;
    },
  );
}

/** A root from a path is read with the server's rights, so it is for those who could read it anyway. */
function refuseServerPath(caller: Caller, template: Template): void {
  if ('path' in template.root && !caller.scopes.includes('admin')) {
    throw new ArcError('forbidden', "root.path is read from the server's own disk; that needs the scope admin");
  }
}
