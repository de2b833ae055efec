import { ArcError } from '../contract/errors.ts';
import { type ClientRequest, isSecure } from './front/client.ts';
import type { RequestHeaders } from './headers.ts';
import { hostPort, parseHost, parseLabel, type Target } from './host.ts';
import { unknownSandbox } from './refusals.ts';

/** Where a request goes, and as what the sandbox sees it. */
export interface Destination {
  readonly target: Target;
  /** Path and query as the sandbox gets them. */
  readonly path: string;
  /** The sandbox's public host name, with the port that the client used: Host and X-Forwarded-Host. */
  readonly host: string;
  /** The port that the client used, as text; undefined for the protocol's own. */
  readonly port: string | undefined;
  /** `/_sb/LABEL` where the client came by that path, else empty. */
  readonly prefix: string;
}

export interface EdgeNames {
  /** Lower case, no dots at the ends. */
  readonly domain: string;
  /** Other names of the edge itself. */
  readonly names: ReadonlySet<string>;
}

const PREFIX = '/_sb/';
const PREFIXED = /^\/_sb\/([^/?#]*)(\/[^#]*|\?[^#]*)?$/;
const ABSOLUTE = /^http(s?):\/\/([^/?#]*)(\/[^#]*|\?[^#]*)?$/i;

/** Decides by Host and target of the request alone. Throws what the client is told when that names no sandbox. */
export function resolve(request: ClientRequest, headers: RequestHeaders, edge: EdgeNames): Destination {
  if (headers.fault !== undefined) throw new ArcError('invalid_request', `${headers.fault}.`);
  const host = request.headers.host;
  if (headers.hostCount !== 1 || host === undefined) {
    throw new ArcError('invalid_request', `The request has ${headers.hostCount} Host fields; it must have one.`);
  }
  const kind = parseHost(host, edge.domain, edge.names);
  switch (kind.kind) {
    case 'malformed':
      throw new ArcError('invalid_request', 'The Host field is not a host name with an optional port.');
    case 'foreign':
      throw new ArcError('unknown_host', `Sandboxes are served below ${edge.domain}, not at this name.`);
    case 'unknown':
      throw new ArcError('sandbox_not_found', 'No sandbox can have this host name.', {
        hint: `A sandbox is at ID.${edge.domain} or PORT-ID.${edge.domain}.`,
      });
    case 'sandbox':
      return { target: kind.target, path: originForm(request, host), host, port: hostPort(host), prefix: '' };
    case 'edge':
      return byPrefix(originForm(request, host), host, edge);
  }
}

function byPrefix(path: string, host: string, edge: EdgeNames): Destination {
  const match = path.startsWith(PREFIX) ? PREFIXED.exec(path) : null;
  if (!match) {
    throw new ArcError('not_found', 'This is the edge of Arc: it serves sandboxes, each at a host name of its own.', {
      hint: `A sandbox is at ID.${edge.domain} or PORT-ID.${edge.domain}, and here at /_sb/ID/.`,
    });
  }
  const label = (match[1] ?? '').toLowerCase();
  const target = parseLabel(label);
  if (!target) throw unknownSandbox('of that name');
  const rest = match[2] ?? '';
  const port = hostPort(host);
  return {
    target,
    path: rest.startsWith('/') ? rest : `/${rest}`,
    host: `${label}.${edge.domain}${port === undefined ? '' : `:${port}`}`,
    port,
    prefix: `${PREFIX}${label}`,
  };
}

/** The target of the request as path and query. A target that names a host must name the one of the Host field. */
function originForm(request: ClientRequest, host: string): string {
  const url = request.url ?? '';
  if (url.startsWith('/')) return url;
  if (url === '*' && request.method === 'OPTIONS') return url;
  const match = ABSOLUTE.exec(url);
  if (!match || (match[1] !== '') !== isSecure(request)) {
    throw new ArcError(
      'invalid_request',
      'The target of the request is neither a path nor a URL of the protocol that it came by.',
    );
  }
  if (match[2]?.toLowerCase() !== host.toLowerCase()) {
    throw new ArcError('invalid_request', 'The target of the request and its Host field name different hosts.');
  }
  const rest = match[3] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}
