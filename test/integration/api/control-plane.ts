import type { Engine } from '../../../src/engines/engine.ts';
import { FakeEngine } from '../../../src/engines/fake/engine.ts';
import { smoothPlan } from '../../../src/engines/fake/plan.ts';
import { realBootClock } from '../../../src/kit/boot.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { sendMessage } from '../../../src/main/send-message.ts';
import { createControlPlane } from '../../../src/server/core/index.ts';
import type { ControlPlaneOptions } from '../../../src/server/core/options.ts';
import { type ConsoleFiles, createApi, sandboxUrls } from '../../../src/server/http/index.ts';
import type { Traces, Vitals } from '../../../src/server/service.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { Store } from '../../../src/store/store.ts';
import { FakeImages } from '../../../src/testing/fakes/fake-images.ts';
import { MemoryRouter } from '../../../src/testing/fakes/memory-router.ts';
import { fakeEngine } from './fake-engine.ts';

/** The API over the real control plane; only the machine below is made up. */
export async function startOverPlane(
  given: {
    pages?: ConsoleFiles;
    slots?: number;
    options?: Partial<ControlPlaneOptions>;
    store?: Store;
    traces?: (vitals: Vitals) => Traces;
  } = {},
) {
  const fake = new FakeEngine(realClock, smoothPlan, given.slots);
  const parts = fakeEngine();
  const { execs, files, logs, stats } = parts.engine;
  // The life of sandboxes from one fake, what is inside of them from the other.
  const inside = { execs, files, logs, stats, capabilities: parts.engine.capabilities };
  const engine = new Proxy(fake, {
    get: (target, name) => {
      if (name in inside) return inside[name as keyof typeof inside];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }) as unknown as Engine;
  const plane = createControlPlane({
    ...{ engine, store: given.store ?? new MemoryStore(), router: new MemoryRouter(), images: new FakeImages({}) },
    ...{ clock: realClock, boot: realBootClock(), rng: realRng, logger: silentLogger },
    send: sendMessage,
    ...(given.options === undefined ? {} : { options: given.options }),
    secretsKey: new Uint8Array(32),
    builtins: [{ name: 'web', root: { builtin: 'shell' }, command: ['/web'], ports: [8080] }],
  });
  let ready = false;
  const api = createApi({
    ...(given.traces ? { traces: given.traces(plane.services.vitals) } : {}),
    ...{ ...plane.services, pages: given.pages ?? { file: async () => undefined } },
    ...{ clock: realClock, rng: realRng, logger: silentLogger },
    signAccess: ({ id, port, expiresAt }) => `${id}/${port ?? 'all'}/${expiresAt}`,
    urls: sandboxUrls({ scheme: 'http', domain: 'localhost', edgeHost: '127.0.0.1', port: () => 80 }),
    config: {
      ...{ host: '127.0.0.1', port: 0, hostNames: [], plainHttpBeyondLoopback: false, version: '0.1.0' },
      ...{ publicUrl: () => 'http://127.0.0.1', embedders: [], rates: { perOwner: 0, perAddress: 0 } },
    },
    readiness: () => ({ ready }),
  });
  const { port } = await api.listen();
  const admin = 'arc_adminsecretofthistest';
  const call = async (
    method: string,
    path: string,
    json?: unknown,
    key = admin,
    headers: Record<string, string> = {},
  ) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
  };
  const begin = async () => {
    await plane.keys.ensureAdmin(admin);
    await plane.start();
    await plane.reclaimed();
    ready = true;
  };
  const stop = async () => {
    await api.close();
    await plane.close();
  };
  return { fake, parts, plane, port, admin, call, begin, [Symbol.asyncDispose]: stop };
}
