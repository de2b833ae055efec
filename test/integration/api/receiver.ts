import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** A receiver of hooks that can be stopped and come back at the same address, and answers as it is told to. */
export class RealReceiver implements AsyncDisposable {
  readonly got: Received[] = [];
  /** Status of each answer; anything below 300 is taken. */
  status = 204;
  headers: Record<string, string> = {};
  #server = this.#made();
  port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  static async started(): Promise<RealReceiver> {
    const receiver = new RealReceiver();
    await receiver.start();
    return receiver;
  }

  async start(): Promise<void> {
    this.#server = this.#made();
    await new Promise<void>((resolve) => this.#server.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.stop();
  }

  #made() {
    return createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      request.on('end', () => {
        if (this.status < 300) this.got.push({ headers: request.headers, text, body: JSON.parse(text) });
        response.writeHead(this.status, this.headers).end('noted');
      });
    });
  }
}

/** As the receiver's own library would check it. */
export function isSigned({ headers, text }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`;
  return headers['webhook-signature'] === `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
}
