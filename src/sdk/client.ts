import type { Info, NodeView } from '../contract/schemas/admin.ts';
import type { Event } from '../contract/schemas/sandbox.ts';
import type { Context } from './context.ts';
import { type EventOptions, followEvents } from './events.ts';
import { Http } from './http.ts';
import { Keys } from './keys.ts';
import { Sandboxes } from './sandboxes.ts';
import { globalSocket, type SocketFactory } from './socket.ts';
import { Templates } from './templates.ts';
import { fetchTransport, type Transport } from './transport.ts';
import { timerWait, type Wait } from './wait.ts';

export interface ClientOptions {
  /** Address of the API, such as `http://127.0.0.1:7700`. */
  readonly url: string;
  readonly key: string;
  /** Default: `fetch`. */
  readonly transport?: Transport;
  /** Default: the global WebSocket. The package `ws` can make a fast program wait for a slow reader. */
  readonly socket?: SocketFactory;
  readonly wait?: Wait;
}

export class Client {
  readonly sandboxes: Sandboxes;
  readonly templates: Templates;
  readonly keys: Keys;
  readonly #context: Context;

  constructor(options: ClientOptions) {
    this.#context = {
      http: new Http(options.url, options.key, options.transport ?? fetchTransport),
      socket: options.socket ?? globalSocket,
      wait: options.wait ?? timerWait,
    };
    this.sandboxes = new Sandboxes(this.#context);
    this.templates = new Templates(this.#context);
    this.keys = new Keys(this.#context);
  }

  get url(): string {
    return this.#context.http.base;
  }

  async nodes(): Promise<readonly NodeView[]> {
    return (await this.#context.http.json<{ items: NodeView[] }>('GET', '/v1/nodes')).items;
  }

  events(options: EventOptions = {}): AsyncIterable<Event> {
    return followEvents(this.#context, options);
  }

  /** Version and addresses of the server. */
  info(): Promise<Info> {
    return this.#context.http.json('GET', '/v1/info');
  }
}

export function client(options: ClientOptions): Client {
  return new Client(options);
}
