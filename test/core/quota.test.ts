import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Template } from '../../src/contract/schemas/template.ts';
import type { Quota } from '../../src/domain/quota.ts';
import { FakeEngine } from '../../src/engines/fake/engine.ts';
import { realBootClock } from '../../src/kit/boot.ts';
import { silentLogger } from '../../src/kit/logger.ts';
import { afterThisTurn, realClock, realRng } from '../../src/kit/real.ts';
import { createControlPlane } from '../../src/server/core/index.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { FakeImages } from '../../src/testing/fakes/fake-images.ts';
import { MemoryRouter } from '../../src/testing/fakes/memory-router.ts';
import { ada, admin, bob, builtin, failsWith, Plane, waiting } from './plane.ts';

const MIB = 1024 ** 2;
const ASKED = 200;

const POOLED: readonly Template[] = [
  builtin('warm', { ports: [80], pool: { min: 30 } }),
  builtin('one', { ports: [80], onePerOwner: true }),
  builtin('one-warm', { ports: [80], onePerOwner: true, pool: { min: 30 } }),
];

/** How many of so many that were asked for at the same moment got through, and why the others did not. */
function counted(results: readonly PromiseSettledResult<unknown>[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const result of results) {
    const what = result.status === 'fulfilled' ? 'made' : (result.reason as { code: string }).code;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

const many = (plane: Plane, template: string, count = ASKED) =>
  plane.drive(Promise.allSettled(Array.from({ length: count }, () => plane.create({ template }))));

const withQuota = (quota: Quota) => Plane.started({ quota }, POOLED);

describe('of 200 creates at the same moment', () => {
  it('exactly as many get through as may run', async () => {
    const plane = await withQuota({ running: 17 });
    assert.deepEqual(counted(await many(plane, 'web')), { made: 17, quota_exceeded: ASKED - 17 });
    assert.equal(await plane.store.count({ kind: 'sandbox' }), 17);
    assert.equal((await plane.now.quotas.get(ada, 'ada')).used.running, 17);
    assert.equal((await plane.drive(plane.create({ template: 'web' }, {}, bob))).state, 'running');
  });

  it('exactly as many get through as the memory allows', async () => {
    const plane = await withQuota({ memoryBytes: 10 * 128 * MIB + 1 });
    assert.deepEqual(counted(await many(plane, 'web')), { made: 10, quota_exceeded: ASKED - 10 });
  });

  it('exactly as many get through as may be created in a minute, and later the next one', async () => {
    const plane = await withQuota({ createdPerMinute: 30 });
    const results = await many(plane, 'web');
    assert.deepEqual(counted(results), { made: 30, rate_limited: ASKED - 30 });
    const refused = results.find((one) => one.status === 'rejected')?.reason;
    assert.equal(refused.extra.retryAfterMs, 2_000);
    await plane.clock.advance(2_000);
    assert.deepEqual(counted(await many(plane, 'web', 5)), { made: 1, rate_limited: 4 });
  });

  it('as many get a warm one as may, and the others leave the pool as it is', async () => {
    const plane = await withQuota({ running: 9 });
    await plane.drive(full(plane, 'warm', 30));
    assert.deepEqual(counted(await many(plane, 'warm')), { made: 9, quota_exceeded: ASKED - 9 });
    await plane.drive(full(plane, 'warm', 30));
    assert.equal(plane.engine.truth().length, 9 + 2 * 30, 'none was thrown away');
  });

  for (const template of ['one', 'one-warm']) {
    it(`all get the same one where each owner may have one (${template})`, async () => {
      const plane = await withQuota({ running: 1 });
      if (template === 'one-warm') await plane.drive(full(plane, template, 30));
      const results = await many(plane, template);
      assert.deepEqual(counted(results), { made: ASKED });
      const ids = new Set(results.map((one) => one.status === 'fulfilled' && (one.value as { id: string }).id));
      assert.equal(ids.size, 1);
      const other = await plane.drive(plane.create({ template }, {}, bob));
      assert.ok(!ids.has(other.id));
      const [first = ''] = ids;
      await plane.drive(plane.now.sandboxes.remove(ada, first as string));
      assert.notEqual((await plane.drive(plane.create({ template }))).id, first);
    });
  }

  it('exactly as many get through the real store, and none of them is looked at for it', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'arc-quota-'));
    t.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'arc.db');
    await withRealStore(path, async (plane) => {
      const ask = () => plane.sandboxes.create(ada, { template: 'web' }, { ...waiting, waitMs: 0 });
      const results = await Promise.allSettled(Array.from({ length: ASKED }, ask));
      assert.deepEqual(counted(results), { made: 23, quota_exceeded: ASKED - 23 });
    });
    await withRealStore(path, async (plane) => {
      await assert.rejects(
        plane.sandboxes.create(ada, { template: 'web' }, waiting),
        failsWith('quota_exceeded'),
        'the next run counts on',
      );
    });
  });
});

async function full(plane: Plane, template: string, count: number): Promise<void> {
  for (;;) {
    const pool = plane.now.templates.pools().find((one) => one.template === template);
    if (pool?.ready === count) return;
    await plane.clock.sleep(25);
  }
}

async function withRealStore(
  path: string,
  work: (plane: ReturnType<typeof createControlPlane>) => Promise<void>,
): Promise<void> {
  const store = new SqliteStore({ path, together: afterThisTurn });
  const plane = createControlPlane({
    ...{ store, engine: new FakeEngine(realClock), router: new MemoryRouter(), images: new FakeImages({}) },
    ...{ clock: realClock, boot: realBootClock(), rng: realRng, logger: silentLogger, builtins: [builtin('web')] },
    options: { quota: { running: 23 } },
  });
  try {
    await plane.start();
    await work(plane);
  } finally {
    await plane.close();
    await store.close();
  }
}

describe('a quota', () => {
  it('is freed by what stops counting, and needed again by what wakes', async () => {
    const plane = await withQuota({ running: 1 });
    const first = await plane.made('sleep');
    await assert.rejects(plane.drive(plane.create({ template: 'web' })), failsWith('quota_exceeded'));
    await plane.clock.advance(16 * 60_000);
    assert.equal((await plane.row(first))?.state, 'stopped');
    const second = await plane.made('web');
    await assert.rejects(plane.drive(plane.now.waker.wake(first)), failsWith('quota_exceeded'));
    assert.equal((await plane.row(first))?.state, 'stopped');
    await plane.drive(plane.now.sandboxes.remove(ada, second));
    await plane.drive(plane.now.waker.wake(first));
    assert.equal((await plane.row(first))?.state, 'running');
  });

  it('of one owner goes before the default, in both directions, and is there after a restart', async () => {
    const plane = await withQuota({ running: 1 });
    await plane.now.quotas.set(admin, 'ada', { running: 3, total: 'none' });
    assert.deepEqual(counted(await many(plane, 'web', 5)), { made: 3, quota_exceeded: 2 });
    await plane.restart();
    await assert.rejects(plane.drive(plane.create({ template: 'web' })), failsWith('quota_exceeded'));
    await plane.now.quotas.set(admin, 'ada', { running: 'none' });
    assert.deepEqual(counted(await many(plane, 'web', 5)), { made: 5 });
    await plane.now.quotas.remove(admin, 'ada');
    await assert.rejects(plane.drive(plane.create({ template: 'web' })), failsWith('quota_exceeded'));
    const { limits, used } = await plane.now.quotas.get(ada, 'ada');
    assert.deepEqual([limits, used.running, used.memoryBytes], [{ running: 1 }, 8, 8 * 128 * MIB]);
  });

  it('that was lowered below what is there ends nothing, and what is there goes on with its life', async () => {
    const plane = await withQuota({});
    const id = await plane.made('nap');
    await plane.made('web');
    await plane.now.quotas.set(admin, 'ada', { running: 0, createdPerMinute: 0 });
    await plane.clock.advance(16 * 60_000);
    assert.equal((await plane.row(id))?.state, 'frozen');
    await plane.drive(plane.now.waker.wake(id));
    await plane.drive(plane.now.sandboxes.reset(ada, id, waiting));
    assert.equal((await plane.row(id))?.state, 'running');
    await assert.rejects(plane.drive(plane.create({ template: 'web' })), failsWith('quota_exceeded'));
  });

  it('does not hold for the operator unless it is set for it', async () => {
    const plane = await withQuota({ running: 0 });
    const operator = { ...admin, owner: 'admin' };
    assert.equal((await plane.drive(plane.create({ template: 'web' }, {}, operator))).state, 'running');
    await plane.now.quotas.set(admin, 'admin', { running: 1 });
    await assert.rejects(plane.drive(plane.create({ template: 'web' }, {}, operator)), failsWith('quota_exceeded'));
  });

  it('is set by admins only, and asked for by its owner and them', async () => {
    const plane = await withQuota({ total: 4 });
    await assert.rejects(plane.now.quotas.set(ada, 'ada', {}), failsWith('forbidden'));
    await assert.rejects(plane.now.quotas.remove(ada, 'ada'), failsWith('forbidden'));
    await assert.rejects(plane.now.quotas.get(bob, 'ada'), failsWith('forbidden'));
    await assert.rejects(plane.now.quotas.list(ada), failsWith('forbidden'));
    await assert.rejects(plane.now.quotas.set(admin, 'a b', {}), failsWith('invalid_request'));
    assert.deepEqual((await plane.now.quotas.get(ada, 'ada')).limits, { total: 4 });
  });
});
