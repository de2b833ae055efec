import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { SessionView, SignInRequest } from '../../../contract/schemas/link.ts';
import type { Caller } from '../../service.ts';
import { type ApiContext, type App, answer, noContent } from '../app.ts';
import { csrfToken, isApart, refuseForeign, sessionSecret, setCookie } from '../guard/session.ts';
import { rfc3339 } from '../view.ts';

const tags = ['console'];

/** Signing in to the console. Whoever has a key of their own needs none of this. */
export function sessionRoutes(app: App, { deps, rates }: ApiContext): void {
  const { sessions, clock, urls } = deps;
  const fromConsole = (request: FastifyRequest): void => {
    refuseForeign(request.headers);
    if (isApart(request.headers.host, urls.domain)) return;
    throw new ArcError('unknown_host', 'sandboxes share a site with this name, so nobody signs in at it');
  };
  const view = (caller: Caller, secret: string, expiresAt: number): SessionView => ({
    owner: caller.owner,
    scopes: [...caller.scopes],
    expiresAt: rfc3339(expiresAt),
    csrf: csrfToken(secret),
  });
  app.post(
    '/v1/session',
    {
      schema: {
        tags,
        summary: 'Sign in to the console with a key',
        description: 'Sets a cookie that no script can read; over TLS it is bound to this very host.',
        body: SignInRequest,
        response: { 201: answer('Signed in', SessionView) },
      },
    },
    async (request, reply) => {
      fromConsole(request);
      const { secret, caller, expiresAt } = await sessions.open(request.body.key.trim()).catch((error) => {
        if (error instanceof ArcError && error.code === 'unauthorized') rates.unknown(request.ip);
        throw error;
      });
      request.caller = { ...caller, from: request.ip };
      const seconds = Math.ceil((expiresAt - clock.now()) / 1_000);
      reply.code(201).header('set-cookie', setCookie(request.headers, secret, seconds));
      return view(caller, secret, expiresAt);
    },
  );
  app.get(
    '/v1/session',
    { schema: { tags, summary: 'Who is signed in', response: { 200: answer('They', SessionView) } } },
    async (request) => {
      fromConsole(request);
      const secret = sessionSecret(request.headers);
      if (secret === undefined) throw new ArcError('unauthorized', 'nobody is signed in here');
      const { caller, expiresAt } = await sessions.authenticate(secret);
      return view(caller, secret, expiresAt);
    },
  );
  app.delete(
    '/v1/session',
    { schema: { tags, summary: 'Sign out', response: { 204: Type.Null({ description: 'Done' }) } } },
    async (request, reply) => {
      fromConsole(request);
      const secret = sessionSecret(request.headers);
      if (secret !== undefined) {
        const signedIn = await sessions.authenticate(secret).catch(() => undefined);
        if (signedIn) request.caller = { ...signedIn.caller, from: request.ip };
        await sessions.close(secret);
      }
      return noContent(reply.header('set-cookie', setCookie(request.headers, '', 0)));
    },
  );
}
