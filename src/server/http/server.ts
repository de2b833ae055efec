import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { ArcError } from '../../contract/errors.ts';
import { encodeId, ID_BYTES } from '../../contract/ids.ts';
import type { ApiContext, App } from './app.ts';
import type { ApiDeps } from './deps.ts';
import { accessOf } from './guard/access.ts';
import { noteAnswer, routeName } from './guard/audited.ts';
import { type Asked, authorize, identify } from './guard/auth.ts';
import { clientError } from './guard/client-error.ts';
import type { HostNames } from './guard/hosts.ts';
import { parseJson } from './guard/json-body.ts';
import { noRoute, sendProblem } from './guard/problems.ts';
import { convertTexts, lazyCheck, refuse } from './guard/validate.ts';
import * as limits from './limits.ts';

/** The HTTP server with everything that holds for every route: bounds, hosts, keys, checks, errors, counts. */
export function makeServer(deps: ApiDeps): App {
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: true,
    bodyLimit: limits.JSON_BODY_BYTES_MAX,
    keepAliveTimeout: limits.KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // Our own answer says it as a problem document.
    return503OnClosing: false,
    routerOptions: { maxParamLength: limits.PARAM_CHARS_MAX },
    genReqId: () => encodeId('req', deps.rng.bytes(ID_BYTES)),
    clientErrorHandler: clientError,
    frameworkErrors: (error, request, reply) => sendProblem(request, reply, error, deps.logger),
    http: {
      maxHeaderSize: limits.HEADER_BYTES_MAX,
      headersTimeout: limits.HEADERS_MS_MAX,
      // Other protocols (h2c) are offered, not demanded: those requests are answered as they are.
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = limits.CONNECTIONS_MAX;
  app.decorateRequest('caller', null);
  app.decorateRequest('refusedWith', null);
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) => {
    const check = lazyCheck(schema);
    const place = httpPart === 'querystring' ? 'query' : httpPart === 'params' ? 'path' : (httpPart ?? 'body');
    return (value) => {
      const converted = httpPart === 'body' ? value : httpPart === 'headers' ? value : convertTexts(schema, value);
      const faults = check(converted, place);
      return faults.length > 0 ? { error: refuse(faults) } : { value: converted };
    };
  });
  // Views are built member by member, so there is nothing for a serializer to leave out.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error, deps.logger));
  app.setNotFoundHandler(noRoute);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    async (_: FastifyRequest, text: string | Buffer) => (text.length === 0 ? undefined : parseJson(text.toString())),
  );
  return app;
}

export function addHooks(app: App, context: ApiContext, hosts: HostNames): void {
  const { deps, live, metrics, rates } = context;
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) {
      const access = accessOf(method, route.url);
      if (access === undefined) throw new Error(`no access is declared for ${method} ${route.url}`);
      route.config = { ...route.config, access };
    }
  });
  app.addHook('onRequest', async (request, reply) => {
    const { access } = request.routeOptions.config;
    live.count(reply);
    reply.header('arc-request-id', request.id).header('x-content-type-options', 'nosniff');
    if (request.url.startsWith('/v1')) reply.header('cache-control', 'no-store');
    if (request.routeOptions.url !== '/healthz') refuseHost(request, hosts);
    if (request.url.length > limits.URL_BYTES_MAX) {
      throw new ArcError('url_too_long', `more than ${limits.URL_BYTES_MAX} bytes`);
    }
    if (live.draining) refuseDraining(request, reply);
    if (access === undefined || access === 'public') return;
    const { ready, detail } = deps.readiness();
    if (!ready) throw new ArcError('unavailable', detail ?? 'the server is starting');
    const { id } = (request.params ?? {}) as { id?: string };
    const asked: Asked = {
      ...{ access, method: request.method, route: request.routeOptions.url ?? '', id },
      ...{ upgrade: false, headers: request.headers, address: request.ip },
    };
    const auth = { ...deps, rates };
    // Known also where it is refused then, since refusals are audited.
    request.caller = await identify(auth, asked);
    if (request.caller !== null) authorize(auth, request.caller, asked);
  });
  bodyDeadline(app, deps);
  app.addHook('onResponse', async (request, reply) => {
    metrics.request(request.method, request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime);
    const params = (request.params ?? {}) as Record<string, string>;
    const outcome = request.refusedWith ?? 'done';
    await noteAnswer({ ...deps, rates }, { route: routeName(request), caller: request.caller, params, outcome });
  });
}

function refuseHost(request: FastifyRequest, hosts: HostNames): void {
  if (hosts.allows(request.headers.host, request.socket.localAddress)) return;
  throw new ArcError('unknown_host', 'the name in `Host` is not served here');
}

function refuseDraining(request: FastifyRequest, reply: { header(name: string, value: string): unknown }): void {
  reply.header('connection', 'close');
  if (request.routeOptions.url === '/healthz') return;
  throw new ArcError('unavailable', 'the server is stopping');
}

/** A JSON body that trickles in holds a connection and a buffer; it has a deadline. Uploads have an idle limit of their own. */
function bodyDeadline(app: App, deps: ApiDeps): void {
  app.addHook('preParsing', async (request, _reply, payload) => {
    if (request.routeOptions.config.streamedBody !== undefined) return payload;
    const cancel = deps.clock.after(limits.BODY_READ_MS_MAX, () => {
      if (!request.raw.complete) {
        payload.destroy(
          new ArcError('request_timeout', `the body did not come within ${limits.BODY_READ_MS_MAX / 1_000}s`),
        );
      }
    });
    request.raw.once('close', cancel);
    request.raw.once('end', cancel);
    return payload;
  });
}
