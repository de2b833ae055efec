import { ArcError } from '../../../contract/errors.ts';
import { NetworkRequest, NetworkView } from '../../../contract/schemas/network.ts';
import { Sandbox } from '../../../contract/schemas/sandbox.ts';
import type { NetworkUse } from '../../../engines/engine.ts';
import type { SandboxRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf } from '../app.ts';
import { networkView, rfc3339, sandboxViewFor } from '../view.ts';
import { SandboxParams } from './query.ts';

const tags = ['network'];
/** The kernel tells ages in whole seconds. */
const ROUNDING_MS = 2_000;

export function networkRoutes(app: App, { deps }: ApiContext): void {
  const { sandboxes, urls } = deps;
  app.get(
    '/v1/sandboxes/:id/network',
    {
      schema: {
        tags,
        summary: 'What it may connect to, and what it was refused',
        params: SandboxParams,
        response: { 200: answer('It', NetworkView) },
      },
    },
    async (request): Promise<NetworkView> => {
      const record = await sandboxes.target(callerOf(request), request.params.id);
      const { engine } = sandboxes;
      if (engine.network === undefined) {
        throw new ArcError('method_not_allowed', `the engine ${engine.name} knows nothing of networks`);
      }
      return useView(record, await engine.network.use({ id: record.id, incarnation: record.incarnation }));
    },
  );
  app.patch(
    '/v1/sandboxes/:id/network',
    {
      schema: {
        tags,
        summary: 'Change what it may connect to, while it runs',
        description: 'Up to what its template allows; with the scope templates:write beyond that.',
        params: SandboxParams,
        body: NetworkRequest,
        response: { 200: answer('The sandbox', Sandbox) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      return sandboxViewFor(caller, await sandboxes.setNetwork(caller, request.params.id, request.body.network), urls);
    },
  );
}

/** What an earlier sandbox at its address was refused is nobody's business. */
function useView(record: SandboxRecord, use: NetworkUse): NetworkView {
  const begun = (record.startedAt ?? record.createdAt) - ROUNDING_MS;
  return {
    network: networkView(record.spec.network),
    opened: use.opened,
    refused: use.refused.filter(({ since }) => since >= begun).map((one) => ({ ...one, since: rfc3339(one.since) })),
    names: use.names.map((one) => ({ ...one, lastAt: rfc3339(one.lastAt) })),
  };
}
