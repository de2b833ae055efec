import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Logger } from '../../kit/logger.ts';
import type { EdgeLimits } from '../limits.ts';
import type { CertificateSource } from '../tls/certificates.ts';

export interface TlsFrontOptions {
  readonly certificates: CertificateSource;
  readonly limits: EdgeLimits;
  readonly logger: Logger;
  /** A connection whose client chose HTTP/2, or HTTP/1.1, or said nothing. */
  readonly onHttp2: (socket: TLSSocket) => void;
  readonly onHttp1: (socket: TLSSocket) => void;
  /** For a name that is served raw: gives false where it isn't. */
  readonly onRaw: (socket: TLSSocket, name: string) => boolean;
}

/** TLS before HTTP/1.1, HTTP/2 and raw TCP on one port. A new certificate is for new connections; others go on. */
export async function createTlsFront(options: TlsFrontOptions): Promise<Server> {
  const { certificates, limits, logger } = options;
  const server = createServer({
    ALPNProtocols: ['h2', 'http/1.1'],
    minVersion: 'TLSv1.2',
    handshakeTimeout: limits.requestHeadMs,
    allowHalfOpen: true,
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy());
    const name = typeof socket.servername === 'string' ? socket.servername.toLowerCase() : '';
    if (name !== '' && options.onRaw(socket, name)) return;
    if (socket.alpnProtocol === 'h2') options.onHttp2(socket);
    else options.onHttp1(socket);
  });
  // Scanners and clients that don't trust the certificate: theirs to know.
  server.on('tlsClientError', (err, socket) => {
    logger.debug({ err }, 'a TLS handshake failed');
    socket.destroy();
  });
  await certificates.open(({ cert, key }) => server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' }));
  return server;
}
