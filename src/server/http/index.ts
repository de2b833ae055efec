import type { AddressInfo } from 'node:net';
import { ArcError } from '../../contract/errors.ts';
import type { ApiContext, App } from './app.ts';
import { type ApiDeps, nothingBehind } from './deps.ts';
import { describeApi, showDocs } from './describe/docs.ts';
import { HostNames, isLoopback } from './guard/hosts.ts';
import { RATES_DEFAULT, Rates } from './guard/rates.ts';
import { ABORTED_MS_MAX, DRAIN_MS } from './limits.ts';
import { Metrics } from './metrics/metrics.ts';
import { accessTokenRoutes } from './routes/access-tokens.ts';
import { auditRoutes } from './routes/audit.ts';
import { consoleRoutes } from './routes/console.ts';
import { eventRoutes } from './routes/events.ts';
import { execSockets } from './routes/exec-socket.ts';
import { execRoutes } from './routes/execs.ts';
import { fileRoutes } from './routes/files.ts';
import { hookRoutes } from './routes/hooks.ts';
import { keyRoutes } from './routes/keys.ts';
import { linkRoutes } from './routes/links.ts';
import { logRoutes } from './routes/logs.ts';
import { networkRoutes } from './routes/network.ts';
import { quotaRoutes } from './routes/quotas.ts';
import { sandboxRoutes } from './routes/sandboxes.ts';
import { secretRoutes } from './routes/secrets.ts';
import { sessionRoutes } from './routes/session.ts';
import { sandboxMetricRoutes, statsRoutes } from './routes/stats.ts';
import { systemRoutes } from './routes/system.ts';
import { templateRoutes } from './routes/templates.ts';
import { verifyRoutes } from './routes/verify.ts';
import { addHooks, makeServer } from './server.ts';
import { Live } from './stream/live.ts';
import { Sockets } from './stream/sockets.ts';

export {
  type ApiConfig,
  type ApiDeps,
  type ConsoleFile,
  type ConsoleFiles,
  type Readiness,
  type SandboxUrls,
  sandboxUrls,
} from './deps.ts';
export { errorsPage } from './describe/errors-page.ts';
export { metricsDocument } from './metrics/document.ts';

export interface Api {
  /** Answers from then on. Throws port_in_use, invalid_config. */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Refuses what is new, ends streams, lets the rest finish within a bound. */
  close(): Promise<void>;
  readonly server: App;
}

export function createApi(deps: ApiDeps): Api {
  const live = new Live();
  const hosts = new HostNames(deps.config.host, deps.config.hostNames);
  const metrics = new Metrics(deps);
  const rates = new Rates(deps.clock, deps.config.rates ?? RATES_DEFAULT);
  const sockets = new Sockets({ deps, rates, hosts, live, opened: (route, change) => metrics.socket(route, change) });
  const context: ApiContext = { deps, rates, live, metrics, sockets };
  const app = makeServer(deps);
  addHooks(app, context, hosts);
  describeApi(app);
  app.register(async (scope) => addRoutes(scope.withTypeProvider(), context));
  sockets.attach(app.server);
  return { server: app, listen: () => listen(app, deps), close: () => close(app, context) };
}

async function addRoutes(app: App, context: ApiContext): Promise<void> {
  systemRoutes(app, context);
  sandboxRoutes(app, context);
  accessTokenRoutes(app, context);
  execRoutes(app, context);
  execSockets(context);
  logRoutes(app, context);
  // A scope of its own, since only there bodies are content and not JSON.
  app.register(async (scope) => fileRoutes(scope.withTypeProvider(), context));
  networkRoutes(app, context);
  statsRoutes(app, context);
  verifyRoutes(app, context);
  sandboxMetricRoutes(app, context);
  templateRoutes(app, context);
  keyRoutes(app, context);
  hookRoutes(app, context);
  quotaRoutes(app, context);
  auditRoutes(app, context);
  secretRoutes(app, context);
  eventRoutes(app, context);
  linkRoutes(app, context);
  sessionRoutes(app, context);
  consoleRoutes(app, context);
  await showDocs(app);
}

/** The OpenAPI document as `/openapi.json` gives it, made without a server or anything behind it. */
export async function generateOpenapi(): Promise<Record<string, unknown>> {
  const { server } = createApi(nothingBehind());
  await server.ready();
  const document: unknown = JSON.parse(JSON.stringify(server.swagger()));
  await server.close();
  return document as Record<string, unknown>;
}

async function listen(app: App, { config }: ApiDeps): Promise<{ host: string; port: number }> {
  const { host, port } = config;
  if (!isLoopback(host) && !config.plainHttpBeyondLoopback) {
    throw new ArcError('invalid_config', `the API speaks plain HTTP, and ${host} can be reached from other machines`, {
      hint: 'Put a TLS proxy in front of a loopback address, or allow plain HTTP in the configuration.',
    });
  }
  try {
    await app.listen({ host: host.replace(/^\[|\]$/g, ''), port });
  } catch (cause) {
    // Whatever else goes wrong here is a fault of ours and says so itself.
    if (!(cause instanceof Error && 'syscall' in cause && 'code' in cause)) throw cause;
    if (cause.code === 'EADDRINUSE') throw new ArcError('port_in_use', `${host}:${port} is taken`, { cause });
    throw new ArcError('invalid_config', `can not listen on ${host}:${port}: ${cause.code}`, { cause });
  }
  const address = app.server.address() as AddressInfo;
  return { host: address.address, port: address.port };
}

async function close(app: App, { live, deps, sockets }: ApiContext): Promise<void> {
  live.drain();
  const closed = app.close();
  const late = Promise.withResolvers<void>();
  const cancel = deps.clock.after(DRAIN_MS, () => {
    live.abortAll();
    late.resolve();
  });
  await Promise.race([Promise.all([live.idle(), sockets.idle()]), late.promise]);
  cancel();
  // Those that were aborted still say so to their clients.
  const hurry = new AbortController();
  await Promise.race([live.idle(), deps.clock.sleep(ABORTED_MS_MAX, hurry.signal).catch(() => {})]);
  hurry.abort();
  // What is left are connections that have asked for nothing, and clients that have had their time.
  sockets.closeAll();
  app.server.closeAllConnections();
  await closed;
}
