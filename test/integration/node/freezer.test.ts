import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { ArcError } from '../../../src/contract/errors.ts';
import { Freezer } from '../../../src/host/cgroups/freezer.ts';
import { pushOut } from '../../../src/host/cgroups/push-out.ts';
import { cgroupRoot } from '../../../src/host/cgroups/root.ts';
import { readUsage } from '../../../src/host/cgroups/usage.ts';
import { realClock } from '../../../src/kit/real.ts';
import type { StartOrder } from '../../../src/runtimes/runtime.ts';
import { inside, MIB, newId, residueOf, specOf, type World, world } from './harness.ts';

const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
const only = (pattern: RegExp) =>
  mountinfo
    .split('\n')
    .filter((line) => pattern.test(line))
    .join('\n');
const V1 = only(/ - cgroup \S+ \S*freezer/);
const signal = new AbortController().signal;

let shared: World;
let slot = 0;
before(async () => {
  shared = await world();
});
after(() => shared[Symbol.asyncDispose]());

const order = (changes: Partial<StartOrder['spec']> = {}): StartOrder => {
  slot += 1;
  const limits = { memoryBytes: 64 * MIB };
  const spec = specOf(changes, limits);
  return {
    ...{ id: newId(), incarnation: 1, slot, spec, lowers: [shared.lower] },
    ...{ fresh: true, labels: {}, owner: 'test' },
  };
};

it('in the v1 hierarchy, where nothing dies while it is frozen, a frozen one is removed all the same', {
  skip: V1 === '' ? 'this machine mounts no v1 freezer' : false,
}, async () => {
  const freezer = new Freezer(realClock, V1, cgroupRoot(shared.dir));
  const wanted = order({ command: ['/bin/sh', '-c', 'sleep 3600 & sleep 3600'] });
  const handle = await shared.runtime('crun').start(wanted, signal);
  await freezer.freeze(handle.id);
  assert.equal(await freezer.isFrozen(handle.id), true);
  process.kill(handle.pid, 'SIGKILL');
  assert.match(readFileSync(`/proc/${handle.pid}/status`, 'utf8'), /^State:\s+D/m);
  await shared.runtime('crun').destroy(wanted);
  assert.deepEqual(await residueOf(shared, wanted.id, wanted.slot), []);
});

it('what was frozen in either hierarchy is seen, and goes on', async () => {
  for (const mounts of [V1, only(/ - cgroup2 /)].filter((text) => text !== '')) {
    const freezer = new Freezer(realClock, mounts, cgroupRoot(shared.dir));
    const wanted = order();
    const runtime = shared.runtime('crun');
    const handle = await runtime.start(wanted, signal);
    await freezer.freeze(handle.id);
    assert.equal(await new Freezer(realClock, mountinfo, cgroupRoot(shared.dir)).isFrozen(handle.id), true);
    await freezer.thaw(handle.id);
    assert.equal((await inside(runtime, handle, ['echo', 'on'])).stdout, 'on\n');
    await runtime.destroy(wanted);
  }
});

it('a machine without a freezer says so, and so does a sandbox that is not there', async () => {
  const code = (wanted: string) => (error: unknown) => error instanceof ArcError && error.code === wanted;
  await assert.rejects(new Freezer(realClock, '', cgroupRoot(shared.dir)).freeze('sb-nowhere'), code('host_unfit'));
  await assert.rejects(
    new Freezer(realClock, mountinfo, cgroupRoot(shared.dir)).thaw('sb-nowhere'),
    code('wrong_state'),
  );
});

it('memory that only caches files is given back', async () => {
  const runtime = shared.runtime('crun');
  const wanted = order();
  const handle = await runtime.start(wanted, signal);
  const write = ['/bin/sh', '-c', 'dd if=/dev/zero of=/srv/big bs=1M count=12; cat /srv/big > /dev/null'];
  await inside(runtime, handle, write);
  const paths = shared.helper.cgroupPaths(handle.id);
  const before = (await readUsage(paths)).memoryBytes;
  await runtime.freeze(handle);
  await pushOut(paths);
  assert.ok((await readUsage(paths)).memoryBytes <= before);
  await runtime.thaw(handle);
  assert.equal((await inside(runtime, handle, ['wc', '-c', '/srv/big'])).stdout, `${12 * MIB} /srv/big\n`);
  await runtime.destroy(wanted);
});
