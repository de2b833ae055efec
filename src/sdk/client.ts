import type { Info, NodeView } from '../contract/schemas/admin.ts';
import type { AuditEntry } from '../contract/schemas/audit.ts';
import type { AlertReport, FiringView } from '../contract/schemas/hook.ts';
import type { LevelView } from '../contract/schemas/levels.ts';
import type { LinkGrantView } from '../contract/schemas/link.ts';
import type { Event } from '../contract/schemas/sandbox.ts';
import type { VerifyReport } from '../contract/schemas/verify.ts';
import { type AuditQuery, auditEntries } from './audit.ts';
import type { Context } from './context.ts';
import { type EventOptions, followEvents } from './events.ts';
import { Hooks } from './hooks.ts';
import { Http } from './http.ts';
import { Keys } from './keys.ts';
import { Quotas } from './quotas.ts';
import { Sandboxes } from './sandboxes.ts';
import { Secrets } from './secrets.ts';
import { globalSocket, type SocketFactory } from './socket.ts';
import { Templates } from './templates.ts';
import { fetchTransport, type Transport } from './transport.ts';
import { timerWait, type Wait } from './wait.ts';

export interface ClientOptions {
  /** Address of the API, such as `http://127.0.0.1:7700`. */
  readonly url: string;
  /** A key, or the secret of a link. */
  readonly key: string;
  /** Default: `fetch`. */
  readonly transport?: Transport;
  /** Default: the global WebSocket. The package `ws` can make a fast program wait for a slow reader. */
  readonly socket?: SocketFactory;
  readonly wait?: Wait;
}

/** For pages of the server itself: the session is in a cookie, and its token comes from `GET /v1/session`. */
export type SessionOptions = Omit<ClientOptions, 'key'> & { readonly csrf: string };

export class Client {
  readonly sandboxes: Sandboxes;
  readonly templates: Templates;
  readonly keys: Keys;
  readonly hooks: Hooks;
  readonly quotas: Quotas;
  readonly secrets: Secrets;
  readonly #context: Context;

  constructor(options: ClientOptions | SessionOptions) {
    this.#context = {
      http: new Http(options.url, options, options.transport ?? fetchTransport),
      socket: options.socket ?? globalSocket,
      wait: options.wait ?? timerWait,
    };
    this.sandboxes = new Sandboxes(this.#context);
    this.templates = new Templates(this.#context);
    this.keys = new Keys(this.#context);
    this.hooks = new Hooks(this.#context);
    this.quotas = new Quotas(this.#context);
    this.secrets = new Secrets(this.#context);
  }

  get url(): string {
    return this.#context.http.base;
  }

  async nodes(): Promise<readonly NodeView[]> {
    return (await this.#context.http.json<{ items: NodeView[] }>('GET', '/v1/nodes')).items;
  }

  /** Every level of isolation, weakest first: what it protects from, whether it is to be had, and how to get it. */
  async levels(): Promise<readonly LevelView[]> {
    return (await this.#context.http.json<{ items: LevelView[] }>('GET', '/v1/levels')).items;
  }

  /** What an operator should know of now. For admins. */
  async alerts(): Promise<readonly FiringView[]> {
    return (await this.alertReport()).items;
  }

  /** The same, with what is over, and when each alert is told. For admins. */
  alertReport(): Promise<AlertReport> {
    return this.#context.http.json('GET', '/v1/alerts');
  }

  /** Runs an adversary in a sandbox of every level now; gives what it could do. For the scope `admin`. */
  verify(): Promise<VerifyReport> {
    return this.#context.http.json('POST', '/v1/verify');
  }

  /** The newest report of the adversary. Throws not_found where there is none yet. */
  verified(): Promise<VerifyReport> {
    return this.#context.http.json('GET', '/v1/verify');
  }

  events(options: EventOptions = {}): AsyncIterable<Event> {
    return followEvents(this.#context, options);
  }

  /** Who changed what, the newest first. For admins. */
  audit(query: AuditQuery = {}): AsyncIterable<AuditEntry> {
    return auditEntries(this.#context, query);
  }

  /** What the link that this client was made with opens. */
  link(): Promise<LinkGrantView> {
    return this.#context.http.json('GET', '/v1/link');
  }

  /** Version and addresses of the server. */
  info(): Promise<Info> {
    return this.#context.http.json('GET', '/v1/info');
  }
}

export function client(options: ClientOptions | SessionOptions): Client {
  return new Client(options);
}
