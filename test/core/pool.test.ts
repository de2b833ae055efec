import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ArcError } from '../../src/contract/errors.ts';
import type { Template } from '../../src/contract/schemas/template.ts';
import type { Target } from '../../src/engines/engine.ts';
import type { PoolStatus } from '../../src/server/service.ts';
import { settled } from '../../src/testing/fakes/manual-clock.ts';
import { ada, admin, builtin, failsWith, Plane } from './plane.ts';

const pooled = (more: Partial<Template> = {}): Template =>
  builtin('site', { ports: [8080], pool: { min: 2, max: 4 }, labels: { kind: 'site' }, ...more });
const quick = { create: () => ({ delayMs: 20, outcome: 'ok' }) as const };

const status = async (plane: Plane, name = 'site'): Promise<PoolStatus | undefined> =>
  (await plane.now.templates.get(admin, name)).pool;

/** A plane whose pool has come to hold as many as its floor. */
async function filled(template = pooled(), options = {}): Promise<Plane> {
  const plane = await Plane.started(options, [template]);
  await plane.clock.advance(100);
  assert.equal((await status(plane))?.ready, template.pool?.min);
  return plane;
}

const warmIds = async (plane: Plane): Promise<readonly string[]> =>
  (await plane.store.list({ kind: 'warm', limit: 100 })).map(({ id }) => id);

describe('a pool', () => {
  it('is filled to its floor by itself, and nobody sees what waits in it', async () => {
    const plane = await filled();
    assert.equal(plane.engine.truth().length, 2);
    assert.deepEqual((await plane.now.sandboxes.list(admin, { limit: 10 })).items, []);
    assert.deepEqual(await plane.events(), []);
    assert.equal(plane.router.routes.size, 0);
  });

  it('hands one over in one commit, without a call of the engine and without a tick', async () => {
    const plane = await filled();
    const before = plane.engine.truth().map((held) => held.id);
    plane.commits.length = 0;
    plane.plan({ create: () => ({ delayMs: 0, outcome: 'refuse' }) });
    const at = plane.clock.monotonic();
    const record = await plane.create({ template: 'site', labels: { team: 'a' }, ttl: '10m' });
    assert.equal(plane.clock.monotonic(), at);
    assert.deepEqual([record.state, record.reason, record.start], ['running', 'claimed', 'claimed']);
    assert.deepEqual(record.labels, { kind: 'site', team: 'a' });
    assert.ok(before.includes(record.id));
    assert.equal(record.expiresAt, plane.clock.now() + 600_000);
    assert.equal(plane.router.routes.get(record.id)?.address, record.placement?.address);
    assert.equal(plane.commits[0]?.filter((write) => write.op === 'event').length, 1);
    assert.deepEqual(
      (await plane.events()).map(({ subject, from, state, reason, owner }) => [subject, from, state, reason, owner]),
      [[record.id, undefined, 'running', 'claimed', 'ada']],
    );
    assert.equal((await status(plane))?.hits, 1);
  });

  it('is filled again at once, and grows to what is asked of it, and shrinks when nobody asks any more', async () => {
    const plane = await filled();
    plane.plan(quick);
    for (let i = 0; i < 6; i++) await plane.drive(plane.create({ template: 'site' }));
    await plane.clock.advance(500);
    const grown = await status(plane);
    assert.deepEqual([grown?.target, grown?.ready], [4, 4]);
    await plane.clock.advance(3 * 3_600_000);
    const shrunk = await status(plane);
    assert.equal(shrunk?.target, 2);
    assert.ok((shrunk?.ready ?? 0) <= 3, `${shrunk?.ready} are still ready`);
  });
});

describe('a pool with a schedule', () => {
  it('is full in its time and lets go after it', async () => {
    const probe = await Plane.started({}, []);
    const iso = (ms: number) => new Date(probe.clock.now() + ms).toISOString();
    const schedule = [{ min: 3, from: iso(3_600_000), until: iso(7_200_000) }];
    const plane = await Plane.started({}, [pooled({ pool: { min: 0, schedule } })]);
    plane.plan(quick);
    assert.deepEqual((await status(plane))?.ready, 0);
    await plane.clock.advance(3_610_000);
    const inTime = await status(plane);
    assert.deepEqual([inTime?.min, inTime?.max, inTime?.target, inTime?.ready], [3, 3, 3, 3]);
    await plane.clock.advance(3_600_000);
    const over = await status(plane);
    assert.deepEqual([over?.min, over?.target, over?.ready], [0, 0, 0]);
  });
});

describe('a claim', () => {
  it('gives every one of a crowd another sandbox, the rest of them started as usual', async () => {
    const plane = await filled(pooled({ pool: { min: 30 } }), { startsMax: 8 });
    plane.plan(quick);
    const work = Array.from({ length: 40 }, (_, i) =>
      plane.create({ template: 'site' }, {}, { ...ada, owner: `team-${i}` }),
    );
    const records = await plane.drive(Promise.all(work));
    assert.equal(new Set(records.map(({ id }) => id)).size, 40);
    assert.equal(records.filter(({ start }) => start === 'claimed').length >= 30, true);
    for (const record of records) assert.equal(plane.router.routes.get(record.id)?.state, 'running');
  });

  it('starts cold, and says so, what a warm one can not become', async () => {
    const plane = await filled();
    for (const request of [{ command: ['/other'] }, { disk: '64MiB' }, { env: { A: '1' } }, { memory: '64MiB' }]) {
      const record = await plane.drive(plane.create({ template: 'site', ...request }));
      assert.equal(record.start, 'cold', JSON.stringify(request));
    }
    assert.equal((await status(plane))?.unfit, 4);
    assert.equal((await status(plane))?.hits, 0);
  });

  it('gives late env to commands and into a file, and changes limits of one that runs', async () => {
    const plane = await Plane.started({}, [pooled({ pool: { min: 1, env: 'late' } })]);
    const written = new Map<string, string>();
    const limits: number[] = [];
    plane.engine.files = memoryFiles(written);
    plane.engine.limits = { set: async (_, { memoryBytes }) => void limits.push(memoryBytes) };
    await plane.clock.advance(100);
    const request = { template: 'site', env: { WHO: "it's me" }, files: { '/srv/flag': 'F{1}' }, memory: '64MiB' };
    const record = await plane.create(request);
    assert.equal(record.start, 'claimed');
    assert.deepEqual(record.lateEnv, { WHO: "it's me" });
    assert.deepEqual(limits, [64 * 1024 ** 2]);
    assert.deepEqual(Object.fromEntries(written), { '/srv/flag': 'F{1}', '/run/arc/env': "WHO='it'\\''s me'\n" });
  });

  it('lets a crowd wait for its files in turn: none is given up because many were written at the same time', async () => {
    const plane = await filled(pooled({ pool: { min: 60 }, onePerOwner: true }), { startsMax: 8 });
    let [open, most] = [0, 0];
    const files = memoryFiles(new Map());
    plane.engine.files = {
      open: async (target: Target) => {
        open += 1;
        most = Math.max(most, open);
        // As on a machine whose processors are all at work: each takes longer the more there are.
        await new Promise<void>((resolve) => plane.clock.after(200 * open, resolve));
        const session = await files.open(target);
        return {
          ...session,
          [Symbol.asyncDispose]: async () => {
            open -= 1;
          },
        };
      },
    };
    const request = { template: 'site', files: { '/flag': 'F{1}' } };
    const team = (i: number) => plane.create(request, { waitMs: 3_600_000 }, { ...ada, owner: `team-${i}` });
    const twice = Array.from({ length: 60 }, (_, i) => Promise.all([team(i), team(i)]));
    const records = await plane.drive(Promise.all(twice));
    assert.ok(records.every(([one, again]) => one.id === again.id));
    assert.deepEqual([...new Set(records.map(([{ start }]) => start))], ['claimed']);
    assert.ok(most < 20, `${most} at once`);
  });

  it('never hands over one that something of another claimer may be in', async () => {
    const plane = await Plane.started({}, [pooled({ pool: { min: 1 } })]);
    plane.engine.files = { open: async () => Promise.reject(new Error('the file session broke')) };
    await plane.clock.advance(100);
    const [touched = ''] = await warmIds(plane);
    const created = plane.create({ template: 'site', files: { '/flag': 'F{1}' } }).catch(() => {});
    await plane.drive(created);
    await plane.clock.advance(6_000);
    assert.equal(plane.phase(touched), undefined);
    assert.equal((await warmIds(plane)).includes(touched), false);
  });
});

describe('the members of a pool', () => {
  it('replaces one whose program ends while it waits', async () => {
    const plane = await filled();
    const [first = ''] = await warmIds(plane);
    plane.engine.exit(first);
    await plane.clock.advance(10_000);
    assert.equal(plane.phase(first), undefined);
    assert.equal((await status(plane))?.ready, 2);
  });

  it('keeps nothing that a client leaves behind between asking and being answered', async () => {
    const plane = await filled();
    const client = new AbortController();
    const work = plane.create({ template: 'site' }, { signal: client.signal });
    client.abort(new Error('gone'));
    await assert.rejects(plane.drive(work), /gone/);
    await plane.clock.advance(1_000);
    const live = (await plane.now.sandboxes.list(admin, { limit: 10 })).items;
    assert.deepEqual(live, []);
    assert.equal((await status(plane))?.ready, 2);
    assert.equal(plane.engine.truth().length, 2);
  });

  it('answers the same idempotency key with the same sandbox, and takes only one', async () => {
    const plane = await filled();
    const options = { idempotencyKey: 'k1' };
    const [one, two] = await plane.drive(
      Promise.all([plane.create({ template: 'site' }, options), plane.create({ template: 'site' }, options)]),
    );
    assert.equal(one.id, two.id);
    assert.equal((await plane.create({ template: 'site' }, options)).id, one.id);
    assert.equal((await status(plane))?.hits, 1);
  });

  it('is taken up again by the next run of Arc, and what was half-made is removed', async () => {
    const plane = await filled();
    const before = await warmIds(plane);
    plane.plan({ create: () => ({ delayMs: 0, outcome: 'hang' }) });
    await plane.create({ template: 'site' });
    await settled();
    assert.equal((await warmIds(plane)).length, 1, 'nothing is started while the claimer comes with its first request');
    await plane.clock.advance(100);
    assert.equal((await warmIds(plane)).length, 2, 'one waits, one is half-made');
    plane.plan(quick);
    await plane.restart();
    await plane.clock.advance(1_000);
    assert.equal((await status(plane))?.ready, 2);
    assert.equal((await warmIds(plane)).filter((id) => before.includes(id)).length, 1);
    assert.equal(plane.engine.truth().length, 3);
  });

  it('is emptied when its template goes', async () => {
    const plane = await Plane.started();
    const template: Template = { name: 'mine', root: { builtin: 'shell' }, command: ['/x'], pool: { min: 2 } };
    await plane.now.templates.add(admin, { template, signal: new AbortController().signal });
    await plane.clock.advance(100);
    assert.equal(plane.engine.truth().length, 2);
    await plane.now.templates.remove(admin, 'mine');
    await plane.clock.advance(100);
    assert.equal(plane.engine.truth().length, 0);
    assert.deepEqual(await warmIds(plane), []);
    await assert.rejects(plane.create({ template: 'mine' }), failsWith('template_not_found'));
  });
});

describe('a pool that can not be filled', () => {
  it('waits longer and longer where nothing comes up, says so, and keeps no other from being filled', async () => {
    const sick = builtin('sick', { ports: [80], ready: { timeout: '2s' }, pool: { min: 5 } });
    const plane = new Plane({ startsMax: 2 }, [sick, pooled()]);
    const sickIds = new Set<string>();
    plane.plan({
      create: (order) => {
        if (order.spec.template === 'sick') sickIds.add(order.id);
        return { delayMs: 0, outcome: 'ok' };
      },
      probe: ({ id }) => ({ delayMs: 0, outcome: 'ok', ready: !sickIds.has(id) }),
    });
    await plane.start();
    await plane.clock.advance(60_000);
    assert.equal((await status(plane))?.ready, 2);
    const held = await status(plane, 'sick');
    assert.match(held?.problem ?? '', /did not accept within 2s/);
    assert.ok(held?.retryAt !== undefined && held.retryAt > plane.clock.now());
    assert.ok(sickIds.size >= 3 && sickIds.size <= 7, `${sickIds.size} tries in a minute`);
    const told = (await plane.events()).filter(({ type, subject }) => type === 'template' && subject === 'sick');
    assert.equal(told.length, 1);
  });

  it('starts what fits where its floor does not, and says how much that is', async () => {
    const plane = await Plane.started({ warmBytes: 100 * 1024 ** 2 }, [pooled({ pool: { min: 30 } })]);
    await plane.clock.advance(10_000);
    const held = await status(plane);
    assert.equal(held?.ready, 5);
    assert.match(held?.problem ?? '', /only 5 of at least 30 fit/);
  });

  it('yields while the memory of the node is tight, and comes back after that', async () => {
    const plane = await filled();
    plane.engine.pressure = { totalBytes: 100, availableBytes: 1 };
    await plane.clock.advance(30_000);
    assert.equal((await status(plane))?.ready, 0);
    assert.equal(plane.engine.truth().length, 0);
    plane.engine.pressure = { totalBytes: 100, availableBytes: 90 };
    await plane.clock.advance(120_000);
    assert.equal((await status(plane))?.ready, 2);
  });

  it('makes room for a create that finds none', async () => {
    const plane = await filled();
    const create = plane.engine.create.bind(plane.engine);
    plane.engine.create = async (order, signal) => {
      if (order.owner !== '' && plane.engine.truth().length >= 2) throw new ArcError('at_capacity', 'full');
      return await create(order, signal);
    };
    assert.equal((await plane.drive(plane.create({ template: 'web' }))).state, 'running');
  });
});

function memoryFiles(written: Map<string, string>) {
  return {
    open: async () => ({
      mkdir: async () => true,
      write: async (path: string, content: AsyncIterable<Uint8Array>) => {
        for await (const chunk of content) written.set(path, Buffer.from(chunk).toString());
      },
      [Symbol.asyncDispose]: async () => {},
    }),
  } as unknown as NonNullable<Plane['engine']['files']>;
}
