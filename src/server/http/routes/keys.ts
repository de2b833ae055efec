import { Type } from 'typebox';
import { KeyRequest, KeyView } from '../../../contract/schemas/admin.ts';
import { type ApiContext, type App, answer, callerOf, noContent } from '../app.ts';
import { keyView } from '../view.ts';
import { items } from './query.ts';

const tags = ['keys'];

export function keyRoutes(app: App, { deps }: ApiContext): void {
  const { keys } = deps;
  app.get(
    '/v1/keys',
    { schema: { tags, summary: 'List keys', response: { 200: answer('All', items('KeyList', KeyView)) } } },
    async (request) => ({ items: (await keys.list(callerOf(request))).map(keyView) }),
  );
  app.post(
    '/v1/keys',
    {
      schema: {
        tags,
        summary: 'Make a key; its secret is shown only now',
        body: KeyRequest,
        response: { 201: answer('With its secret', KeyView) },
      },
    },
    async (request, reply): Promise<KeyView> => {
      const { key, secret } = await keys.create(callerOf(request), request.body);
      reply.code(201).header('location', `/v1/keys/${key.id}`);
      return { ...keyView(key), secret };
    },
  );
  app.delete(
    '/v1/keys/:id',
    {
      schema: {
        tags,
        summary: 'Revoke a key',
        params: Type.Object({ id: Type.String() }, { additionalProperties: false }),
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      await keys.revoke(callerOf(request), request.params.id);
      return noContent(reply);
    },
  );
}
