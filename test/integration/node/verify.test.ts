import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Limits } from '../../../src/contract/spec.ts';
import type { OciConfig } from '../../../src/runtimes/oci/config.ts';
import type { Runtime, StartOrder } from '../../../src/runtimes/runtime.ts';
import { MIB, type World, world } from './harness.ts';
import { rulesOf, verifyIn, type Weaker, weakened } from './verify-world.ts';

let shared: World;
let rules: AsyncDisposable;
before(async () => {
  shared = await world();
  rules = await rulesOf(shared);
});
after(async () => {
  await rules[Symbol.asyncDispose]();
  await shared[Symbol.asyncDispose]();
});

describe('an adversary at every level', () => {
  for (const [name, level] of [
    ['crun', 'container'],
    ['runc', 'container'],
    ['bwrap', 'jail'],
    ['runsc', 'gvisor'],
  ] as const) {
    it(`finds nothing in what ${name} makes, by create and by exec alike`, async (t) => {
      const verified = await verifyIn(shared, shared.runtime(name), level);
      t.diagnostic(`${verified.tookMs} ms`);
      assert.deepEqual(
        verified.checks.filter(({ outcome }) => outcome === 'failed'),
        [],
      );
      assert.ok(verified.passed);
    });
  }
});

/** Which checks go red when a protection is taken away; each is a hole that a mistake could open. */
const TAKEN_AWAY: readonly { readonly what: string; readonly weaker: Weaker; readonly red: readonly string[] }[] = [
  {
    what: 'the filter of system calls',
    weaker: { config: ({ linux: { seccomp: _gone, ...linux }, ...rest }) => ({ ...rest, linux }) },
    red: ['outside', 'self.filter', 'calls.list', 'calls.namespaces', 'calls.trace', 'calls.sockets'],
  },
  {
    what: 'the confinement of the process',
    weaker: {
      process: (process) => ({
        ...process,
        user: { ...process.user, additionalGids: [5] },
        env: [...process.env, 'AWS_SECRET_ACCESS_KEY=x'],
        capabilities: everySet(['CAP_SETUID', 'CAP_NET_RAW', 'CAP_MKNOD', 'CAP_CHOWN']),
        noNewPrivileges: false,
        rlimits: [{ type: 'RLIMIT_CORE', hard: 1 << 20, soft: 1 << 20 }],
      }),
    },
    red: [
      ...['outside', 'self.groups', 'self.capabilities', 'self.no-new-privileges', 'self.privileges'],
      ...['self.environment', 'self.resources', 'self.dumps', 'calls.sockets', 'limits.files'],
    ],
  },
  {
    what: 'what keeps the host out of its mounts',
    weaker: { config: openMounts },
    red: [
      ...['around.mounts', 'around.nosuid', 'around.host-files', 'around.masked', 'around.kernel-files'],
      'around.devices',
    ],
  },
  {
    what: 'namespaces of its own',
    weaker: {
      config: ({ hostname: _none, ...config }) =>
        ({
          ...config,
          mounts: config.mounts.filter(({ type }) => type !== 'mqueue'),
          linux: {
            ...config.linux,
            namespaces: config.linux.namespaces.filter(({ type }) => !OF_THE_HOST.includes(type)),
          },
        }) as unknown as OciConfig,
    },
    red: ['outside', 'around.namespaces', 'around.names'],
  },
];
const OF_THE_HOST = ['ipc', 'uts', 'cgroup'];

function everySet(names: readonly string[]) {
  return { bounding: names, effective: names, permitted: names, inheritable: names, ambient: names };
}

function openMounts(config: OciConfig): OciConfig {
  const bind = (source: string, destination: string) => ({
    ...{ type: 'bind', source, destination, options: ['bind', 'rw', 'rslave'] },
  });
  const mounts = [...config.mounts, bind(shared.dir, shared.dir), bind('/dev/kmsg', '/dev/kmsg')];
  return { ...config, mounts, linux: { ...config.linux, maskedPaths: [], readonlyPaths: [] } };
}

/** Gives more than was asked for. */
function larger(runtime: Runtime, limits: Partial<Limits>): Runtime {
  return new Proxy(runtime, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'start') return value.bind(target);
      return (order: StartOrder, signal: AbortSignal) =>
        target.start({ ...order, spec: { ...order.spec, limits: { ...order.spec.limits, ...limits } } }, signal);
    },
  });
}

describe('a protection that is taken away is found', () => {
  for (const { what, weaker, red } of TAKEN_AWAY) {
    it(what, async () => {
      const { passed, checks } = await verifyIn(shared, weakened(shared, weaker), 'container');
      const failed = checks.filter(({ outcome }) => outcome === 'failed');
      assert.equal(passed, false);
      const missed = red.filter((id) => !failed.some((check) => check.id === id));
      assert.deepEqual(missed, [], JSON.stringify(failed.map(({ id, findings }) => [id, findings[0]])));
      for (const { id, findings } of failed) {
        if (!id.startsWith('self.') || id === 'self.environment') continue;
        assert.ok(findings.some(({ via }) => via === 'exec') && findings.some(({ via }) => via === 'create'), id);
      }
    });
  }

  it('every limit', async () => {
    const runtime = larger(shared.runtime('crun'), {
      memoryBytes: 512 * MIB,
      pids: 300,
      openFiles: 1024,
      diskBytes: 64 * MIB,
    });
    const { checks } = await verifyIn(shared, runtime, 'container');
    const failed = checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
    assert.deepEqual(failed, [
      ...['self.resources', 'limits.files', 'limits.disk'],
      ...['limits.processes', 'limits.memory'],
    ]);
  });

  it('the rules of the network, and a target that is not there', async () => {
    await rules[Symbol.asyncDispose]();
    const { checks } = await verifyIn(shared, shared.runtime('crun'), 'container');
    const failed = checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
    assert.deepEqual(failed, ['network.refused', 'network.none']);
    rules = await rulesOf(shared);
  });
});
