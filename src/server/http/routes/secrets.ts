import { Type } from 'typebox';
import { OwnerName } from '../../../contract/schemas/quota.ts';
import { FlagView, SecretName, SecretRequest, SecretView } from '../../../contract/schemas/secret.ts';
import { NAME_PATTERN } from '../../../contract/schemas/template.ts';
import type { SecretRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf, noContent } from '../app.ts';
import { rfc3339 } from '../view.ts';
import { items } from './query.ts';

const tags = ['secrets'];
const closed = { additionalProperties: false } as const;
const params = Type.Object({ name: SecretName }, closed);

/** Values that can be set and not read; each owner has its own. */
export function secretRoutes(app: App, { deps }: ApiContext): void {
  const { secrets, templates } = deps;
  app.get(
    '/v1/secrets',
    {
      schema: {
        tags,
        summary: 'List the names of secrets',
        response: { 200: answer('All', items('SecretList', SecretView)) },
      },
    },
    async (request) => ({ items: (await secrets.list(callerOf(request))).map(secretView) }),
  );
  app.put(
    '/v1/secrets/:name',
    {
      schema: {
        ...{ tags, summary: 'Set a secret; nothing gives it back', params, body: SecretRequest },
        response: { 200: answer('Its name', SecretView) },
      },
    },
    async (request) => secretView(await secrets.set(callerOf(request), request.params.name, request.body.value)),
  );
  app.delete(
    '/v1/secrets/:name',
    { schema: { tags, summary: 'Remove a secret', params, response: { 204: Type.Null({ description: 'Done' }) } } },
    async (request, reply) => {
      await secrets.remove(callerOf(request), request.params.name);
      return noContent(reply);
    },
  );
  app.get(
    '/v1/templates/:name/flag',
    {
      schema: {
        ...{ tags, summary: 'The flag that an owner is to find in a template' },
        params: Type.Object({ name: Type.String({ pattern: NAME_PATTERN }) }, closed),
        querystring: Type.Object({ owner: OwnerName }, closed),
        response: { 200: answer('It', FlagView) },
      },
    },
    async (request): Promise<FlagView> => {
      const caller = callerOf(request);
      const { resolved } = await templates.get(caller, request.params.name);
      return { flag: await secrets.flag(caller, resolved, request.query.owner) };
    },
  );
}

const secretView = ({ name, setAt }: SecretRecord): SecretView => ({ name, setAt: rfc3339(setAt) });
