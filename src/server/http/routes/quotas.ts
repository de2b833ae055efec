import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { OwnerName, QuotaRequest, QuotaView } from '../../../contract/schemas/quota.ts';
import { formatSize, parseSize } from '../../../contract/units.ts';
import type { OwnQuota } from '../../../domain/quota.ts';
import type { QuotaRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf, noContent } from '../app.ts';
import { items } from './query.ts';

const tags = ['quotas'];
const OwnerParams = Type.Object({ owner: OwnerName }, { additionalProperties: false });

/** What owners may have: set by admins, asked for by each owner. */
export function quotaRoutes(app: App, { deps }: ApiContext): void {
  const { quotas } = deps;
  const one = { params: OwnerParams, response: { 200: answer('The quota, and what is used of it', QuotaView) } };
  app.get(
    '/v1/quotas',
    {
      schema: {
        tags,
        summary: 'List quotas of their own',
        response: { 200: answer('All', items('QuotaList', QuotaView)) },
      },
    },
    async (request) => ({ items: (await quotas.list(callerOf(request))).map(quotaView) }),
  );
  app.get(
    '/v1/quotas/:owner',
    { schema: { tags, summary: 'What an owner may have, and has', ...one } },
    async (request) => quotaView(await quotas.get(callerOf(request), request.params.owner)),
  );
  app.put(
    '/v1/quotas/:owner',
    { schema: { tags, summary: "Set an owner's quota, in place of an earlier one", body: QuotaRequest, ...one } },
    async (request) => quotaView(await quotas.set(callerOf(request), request.params.owner, ownQuota(request.body))),
  );
  app.delete(
    '/v1/quotas/:owner',
    {
      schema: {
        ...{ tags, summary: "Back to the server's settings", params: OwnerParams },
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      await quotas.remove(callerOf(request), request.params.owner);
      return noContent(reply);
    },
  );
}

function ownQuota({ memory, ...rest }: QuotaRequest): OwnQuota {
  if (memory === undefined) return rest;
  const bytes = memory === 'none' ? memory : parseSize(memory);
  if (bytes === undefined) throw new ArcError('invalid_request', 'body.memory: must be a size, such as 4GiB');
  return { ...rest, memoryBytes: bytes };
}

function quotaView({ owner, own, limits, used }: QuotaRecord): QuotaView {
  const { memoryBytes, ...counts } = used;
  return {
    owner,
    ...(own === undefined ? {} : { own: withMemory(own) as QuotaRequest }),
    limits: withMemory(limits) as QuotaView['limits'],
    used: { ...counts, memory: formatSize(memoryBytes) },
  };
}

function withMemory<T extends { readonly memoryBytes?: number | 'none' }>({ memoryBytes, ...rest }: T) {
  if (memoryBytes === undefined) return rest;
  return { ...rest, memory: memoryBytes === 'none' ? memoryBytes : formatSize(memoryBytes) };
}
