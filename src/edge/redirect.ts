import type { ClientRequest, ClientResponse } from './front/client.ts';
import type { Destination } from './resolve.ts';

/** Sends a client that came in the clear to the same place by TLS. */
export function redirectToTls(
  request: ClientRequest,
  response: ClientResponse,
  destination: Destination,
  { domain, port }: { readonly domain: string; readonly port: number },
): void {
  const { prefix, path, host } = destination;
  const name = prefix === '' ? host.replace(/:[0-9]*$/, '') : domain;
  const authority = port === 443 ? name : `${name}:${port}`;
  response.writeHead(308, 'Permanent Redirect', [
    'Location',
    `https://${authority}${prefix}${path.startsWith('/') ? path : '/'}`,
    'Content-Length',
    '0',
    'Cache-Control',
    'no-store',
  ]);
  // Whatever follows on this connection would be in the clear as well.
  response.shouldKeepAlive = false;
  response.end();
  request.resume();
}
