import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { LINK_SCOPES, LinkGrantView, LinkRequest, LinkView } from '../../../contract/schemas/link.ts';
import { formatDuration, parseDuration } from '../../../contract/units.ts';
import type { LinkRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf, noContent } from '../app.ts';
import { rfc3339 } from '../view.ts';
import { items, SandboxParams } from './query.ts';

const tags = ['links'];
const FOR_DEFAULT = '8h';
const EXTEND_BY_DEFAULT = '30m';

/** Links for the person who uses a sandbox: made and revoked by its owner, asked about by their own holder. */
export function linkRoutes(app: App, { deps }: ApiContext): void {
  const { links, config } = deps;
  app.post(
    '/v1/sandboxes/:id/links',
    {
      schema: {
        tags,
        summary: 'Make a link to a sandbox for a person without a key',
        description: 'Its secret is shown only now. It opens this one sandbox, for what `may` lists.',
        params: SandboxParams,
        body: LinkRequest,
        response: { 201: answer('With its address', LinkView) },
      },
    },
    async (request, reply): Promise<LinkView> => {
      const { may = LINK_SCOPES, for: lasts = FOR_DEFAULT, extendBy = EXTEND_BY_DEFAULT } = request.body;
      const order = { may: [...may], forMs: ms('for', lasts), extendMs: ms('extendBy', extendBy) };
      const { link, secret } = await links.create(callerOf(request), request.params.id, order);
      reply.code(201).header('location', `/v1/sandboxes/${link.sandbox}/links/${link.id}`);
      return { ...linkView(link), url: `${config.publicUrl()}/open/#${secret}` };
    },
  );
  app.get(
    '/v1/sandboxes/:id/links',
    {
      schema: {
        tags,
        summary: 'List the links of a sandbox',
        params: SandboxParams,
        response: { 200: answer('Those that are valid', items('LinkList', LinkView)) },
      },
    },
    async (request) => ({ items: (await links.list(callerOf(request), request.params.id)).map(linkView) }),
  );
  app.delete(
    '/v1/sandboxes/:id/links/:link',
    {
      schema: {
        tags,
        summary: 'Revoke a link',
        params: Type.Object({ ...SandboxParams.properties, link: Type.String() }, { additionalProperties: false }),
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      await links.revoke(callerOf(request), request.params.id, request.params.link);
      return noContent(reply);
    },
  );
  app.get(
    '/v1/link',
    { schema: { tags, summary: 'What the link that asks opens', response: { 200: answer('It', LinkGrantView) } } },
    async (request): Promise<LinkGrantView> => {
      const { link } = callerOf(request);
      if (link === undefined) throw new ArcError('invalid_request', 'this was asked with a key and not with a link');
      const { sandbox, may, extendMs, expiresAt } = link;
      return { sandbox, may: [...may], extendBy: formatDuration(extendMs), expiresAt: rfc3339(expiresAt) };
    },
  );
}

function ms(field: string, text: string): number {
  const value = parseDuration(text);
  if (value === undefined) throw new ArcError('invalid_request', `body.${field}: must be a duration`);
  return value;
}

function linkView(link: LinkRecord): LinkView {
  return {
    ...{ id: link.id, sandbox: link.sandbox, may: [...link.may], extendBy: formatDuration(link.extendMs) },
    createdAt: rfc3339(link.createdAt),
    expiresAt: rfc3339(link.expiresAt),
  };
}
