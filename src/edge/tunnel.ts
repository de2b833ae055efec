import type { Socket } from 'node:net';
import type { ResponseHead } from './upstream/response-head.ts';

export interface Tunnel {
  readonly head: ResponseHead;
  readonly client: Socket;
  readonly upstream: Socket;
  /** What each side had sent already. */
  readonly fromClient: Buffer;
  readonly fromUpstream: Buffer;
  touch(): void;
  onClose(): void;
}

/** After an upgrade: bytes both ways, each side's end passed on by itself, and no limit on time. */
export function tunnel({ head, client, upstream, fromClient, fromUpstream, touch, onClose }: Tunnel): void {
  let text = `HTTP/1.1 101 ${head.reason}\r\n`;
  for (let at = 0; at + 1 < head.headers.length; at += 2) text += `${head.headers[at]}: ${head.headers[at + 1]}\r\n`;
  text += `Connection: Upgrade\r\n${head.upgrade === undefined ? '' : `Upgrade: ${head.upgrade}\r\n`}\r\n`;
  client.write(text, 'latin1');
  if (fromUpstream.length > 0) client.write(fromUpstream);
  if (fromClient.length > 0) upstream.write(fromClient);
  join({ client, upstream, touch, onClose });
}

/** Passes bytes both ways from now on. */
export function join({
  client,
  upstream,
  touch,
  onClose,
}: Pick<Tunnel, 'client' | 'upstream' | 'touch' | 'onClose'>): void {
  client.on('data', touch);
  upstream.on('data', touch);
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
  let open = 2;
  const closed = () => {
    open -= 1;
    if (open === 0) onClose();
  };
  // What one side has sent before it ended in order still goes out to the other.
  client.on('close', () => {
    if (client.errored || !client.readableEnded) upstream.destroy();
    else upstream.destroySoon();
    closed();
  });
  upstream.on('close', () => {
    if (upstream.errored || !upstream.readableEnded) client.destroy();
    else client.destroySoon();
    closed();
  });
  client.pipe(upstream);
  upstream.pipe(client);
}
