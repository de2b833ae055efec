import type { FastifyReply, FastifyRequest } from 'fastify';
import { ArcError } from '../../../contract/errors.ts';
import type { ApiContext, App } from '../app.ts';
import type { ConsoleFile } from '../deps.ts';
import { isApart } from '../guard/session.ts';

/** A year: the name of such a file changes with what is in it. */
const IMMUTABLE = 'public, max-age=31536000, immutable';
const PAGES = { console: 'index.html', open: 'person.html' } as const;

/** The console at `/console/`, the page of a link at `/open/`, the guides at `/guide/`. Everything they load comes from this server. */
export function consoleRoutes(app: App, context: ApiContext): void {
  const hidden = { schema: { hide: true } };
  app.get('/', hidden, (_, reply) => reply.redirect('/console/', 302));
  for (const at of ['/console', '/open', '/guide'] as const)
    app.get(at, hidden, (_, reply) => reply.redirect(`${at}/`, 302));
  app.get('/open/', hidden, (request, reply) => page(context, request, reply, 'open'));
  app.get('/console/*', hidden, async (request, reply) => {
    const path = (request.params as { '*': string })['*'];
    if (!path.startsWith('assets/')) return await page(context, request, reply, 'console');
    const file = await context.deps.pages.file(path);
    if (file === undefined) throw new ArcError('not_found', `the console has no ${path.slice(0, 80)}`);
    return send(request, reply.header('cache-control', IMMUTABLE), file);
  });
  app.get('/guide/*', hidden, async (request, reply) => {
    const path = (request.params as { '*': string })['*'];
    const file = await context.deps.pages.file(`guide/${path === '' ? 'index.html' : path}`);
    if (file === undefined) throw new ArcError('not_found', `the guides have no page ${path.slice(0, 80)}`);
    reply.headers({ 'cache-control': 'no-cache', 'content-security-policy': GUIDE_POLICY, 'x-frame-options': 'DENY' });
    return send(request, reply, file);
  });
}

/** Text, pictures and one style. */
const GUIDE_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

async function page(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  which: keyof typeof PAGES,
): Promise<FastifyReply> {
  const { urls, config } = context.deps;
  if (!isApart(request.headers.host, urls.domain)) return elsewhere(request, reply, urls.domain);
  const file = await context.deps.pages.file(PAGES[which]);
  if (file === undefined) throw new ArcError('internal', `the console was built without ${PAGES[which]}`);
  const framedBy = which === 'open' && config.embedders.length > 0 ? config.embedders.join(' ') : "'none'";
  reply.headers({
    'cache-control': 'no-cache',
    'content-security-policy': policy(framedBy, which === 'open' ? sandboxOrigins(urls) : "'none'"),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'permissions-policy': 'camera=(), microphone=(), geolocation=(), usb=(), payment=()',
    ...(framedBy === "'none'" ? { 'x-frame-options': 'DENY' } : {}),
  });
  return send(request, reply, file);
}

/** Scripts only from our own files. Styles may be inline: the terminal makes its rules for colours and sizes at run time. */
function policy(frameAncestors: string, frames: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    `frame-src ${frames}`,
    `frame-ancestors ${frameAncestors}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

function sandboxOrigins(urls: ApiContext['deps']['urls']): string {
  return new URL(urls.sandbox('any')).origin.replace('//any.', '//*.');
}

/** A page on this name would share its site with the sandboxes. By address it does not. */
function elsewhere(request: FastifyRequest, reply: FastifyReply, domain: string): FastifyReply {
  const { localAddress = '', localPort } = request.socket;
  const address = localAddress.replace(/^::ffff:/, '');
  if (request.hostname === 'localhost') {
    const host = address.includes(':') ? `[${address}]` : address;
    return reply.redirect(`http://${host}:${localPort}${request.url}`, 302);
  }
  throw new ArcError('unknown_host', `sandboxes are under ${domain}, so the console is not served at this name`, {
    hint: 'Use the address of the API, or a name of another domain (`--console-url`).',
  });
}

function send(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile): FastifyReply {
  reply.header('etag', file.etag).header('vary', 'accept-encoding').type(file.type);
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
  const zipped = file.gzip !== undefined && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  return zipped ? reply.header('content-encoding', 'gzip').send(file.gzip) : reply.send(file.body);
}
