import type { Clock } from '../../../src/kit/clock.ts';
import { type Logger, silentLogger } from '../../../src/kit/logger.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { sendMessage } from '../../../src/main/send-message.ts';
import { AuditLog } from '../../../src/server/core/audit.ts';
import { HookStore } from '../../../src/server/core/hooks/hooks.ts';
import { LinkStore } from '../../../src/server/core/links.ts';
import { QuotaStore } from '../../../src/server/core/quotas.ts';
import { SecretStore } from '../../../src/server/core/secrets.ts';
import { SessionStore } from '../../../src/server/core/sessions.ts';
import { VitalSigns } from '../../../src/server/core/vitals.ts';
import {
  type ApiConfig,
  type ConsoleFiles,
  createApi,
  type Readiness,
  sandboxUrls,
} from '../../../src/server/http/index.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { Store } from '../../../src/store/store.ts';
import { FakeKeys, FakeSandboxes, FakeTemplates } from './fake.ts';

export interface Harness extends AsyncDisposable {
  readonly base: string;
  readonly port: number;
  readonly api: ReturnType<typeof createApi>;
  readonly sandboxes: FakeSandboxes;
  readonly templates: FakeTemplates;
  readonly keys: FakeKeys;
  /** Secrets: an admin, and two people who may do everything with their own. */
  readonly admin: string;
  readonly alice: string;
  readonly bob: string;
  readonly logged: { fields: Record<string, unknown>; message: string }[];
  readiness: Readiness;
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
}

export interface CallOptions {
  readonly key?: string | null;
  readonly json?: unknown;
  readonly body?: NonNullable<RequestInit['body']>;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

const USER = ['sandboxes:read', 'sandboxes:write', 'templates:read', 'templates:write'] as const;

/** Some files, as the build would make them. */
const fakeConsole: ConsoleFiles = {
  async file(path) {
    const types: Record<string, string> = {
      'index.html': 'text/html; charset=utf-8',
      'person.html': 'text/html; charset=utf-8',
      'guide/index.html': 'text/html; charset=utf-8',
      'assets/app-1.js': 'text/javascript; charset=utf-8',
    };
    const type = types[path];
    return type === undefined
      ? undefined
      : { body: Buffer.from(`the content of ${path}`), gzip: undefined, type, etag: `"${path}"` };
  },
};

/** The API on a free port over fakes. */
export async function startApi(
  options: { config?: Partial<ApiConfig>; clock?: Clock; pages?: ConsoleFiles; store?: Store } = {},
): Promise<Harness> {
  const sandboxes = new FakeSandboxes();
  const templates = new FakeTemplates();
  const keys = new FakeKeys();
  const store = options.store ?? new MemoryStore();
  const clock = options.clock ?? realClock;
  const logged: Harness['logged'] = [];
  const logger: Logger = { ...silentLogger, error: (fields, message) => void logged.push({ fields, message }) };
  const admin = keys.make('root', ['admin']);
  const alice = keys.make('alice', USER);
  const bob = keys.make('bob', USER);
  const state = { readiness: { ready: true } as Readiness };
  const api = createApi({
    sandboxes,
    templates,
    keys,
    sessions: new SessionStore({ store, clock, rng: realRng, keys }),
    links: new LinkStore({ store, clock, rng: realRng, sandboxes }),
    hooks: new HookStore({ store, clock, rng: realRng, logger, send: sendMessage }),
    quotas: new QuotaStore({ store, clock, defaults: {} }),
    audit: new AuditLog({ store, clock }),
    secrets: new SecretStore({ store, clock, rng: realRng, key: new Uint8Array(32) }),
    alerts: { list: () => [], firing: () => [], report: () => ({ firing: [], over: [], rules: [] }) },
    vitals: new VitalSigns(clock),
    pages: options.pages ?? fakeConsole,
    clock,
    rng: realRng,
    logger,
    signAccess: ({ id, port, expiresAt }) => `${id}/${port ?? 'all'}/${expiresAt}`,
    urls: sandboxUrls({ scheme: 'http', domain: 'localhost', edgeHost: '127.0.0.1', port: () => 7780 }),
    config: {
      host: '127.0.0.1',
      port: 0,
      hostNames: [],
      plainHttpBeyondLoopback: false,
      version: '0.1.0',
      publicUrl: () => 'http://127.0.0.1',
      embedders: [],
      rates: { perOwner: 0, perAddress: 0 },
      ...options.config,
    },
    readiness: () => state.readiness,
  });
  const { port } = await api.listen();
  const base = `http://127.0.0.1:${port}`;
  return {
    base,
    port,
    api,
    sandboxes,
    templates,
    keys,
    admin,
    alice,
    bob,
    logged,
    get readiness() {
      return state.readiness;
    },
    set readiness(value) {
      state.readiness = value;
    },
    call: (method, path, { key = alice, json, body, headers = {}, signal } = {}) =>
      fetch(base + path, {
        method,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        ...(body === undefined ? {} : { body, duplex: 'half' }),
        ...(signal === undefined ? {} : { signal }),
      }),
    [Symbol.asyncDispose]: () => api.close(),
  };
}

/** Waits for a condition, at most 30 s, since the machine may be busy. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited 30 s in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
