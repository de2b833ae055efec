import { TOKEN_QUERY } from '../../../contract/access.ts';
import { ArcError } from '../../../contract/errors.ts';
import { AccessToken, AccessTokenRequest } from '../../../contract/schemas/access.ts';
import { parseDuration } from '../../../contract/units.ts';
import { type ApiContext, type App, answer, callerOf } from '../app.ts';
import { rfc3339 } from '../view.ts';
import { SandboxParams } from './query.ts';

/** How long a token is good for when nobody says, at least and at most. */
const TOKEN_MS = 86_400_000;
const TOKEN_MS_LEAST = 1_000;
const TOKEN_MS_MOST = 366 * 86_400_000;

export function accessTokenRoutes(app: App, { deps }: ApiContext): void {
  const { sandboxes, urls, clock, signAccess } = deps;
  app.post(
    '/v1/sandboxes/:id/tokens',
    {
      schema: {
        tags: ['sandboxes'],
        summary: 'A token that lets through the edge to a sandbox, and the link with it',
        params: SandboxParams,
        body: AccessTokenRequest,
        response: { 200: answer('Whoever has it gets through until it expires', AccessToken) },
      },
    },
    async (request): Promise<AccessToken> => {
      const { id, spec } = await sandboxes.get(callerOf(request), request.params.id);
      const { port, ttl } = request.body;
      const ms = ttl === undefined ? TOKEN_MS : parseDuration(ttl);
      if (ms === undefined || ms < TOKEN_MS_LEAST || ms > TOKEN_MS_MOST) {
        throw new ArcError('invalid_request', 'body.ttl: must be a duration from 1s to 366d');
      }
      const expiresAt = Math.floor((clock.now() + ms) / 1_000) * 1_000;
      const token = signAccess({ id, port, expiresAt });
      const place = port === undefined || port === spec.ports[0] ? urls.sandbox(id) : urls.port(id, port);
      return { url: `${place}/?${TOKEN_QUERY}=${token}`, token, expiresAt: rfc3339(expiresAt) };
    },
  );
}
