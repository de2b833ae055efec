import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settled } from '../../src/testing/fakes/manual-clock.ts';
import { bob, failsWith, Plane } from './plane.ts';

const slow = { create: () => ({ delayMs: 1_000, outcome: 'ok' }) as const };

describe('a create', () => {
  it('answers with a running sandbox whose route is set, after two commits and no tick', async () => {
    const plane = await Plane.started();
    plane.commits.length = 0;
    const record = await plane.create({ template: 'web', labels: { user_id: '42' } });
    assert.equal(record.state, 'running');
    assert.deepEqual(record.labels, { kind: 'web', user_id: '42' });
    assert.deepEqual(
      record.history.map((entry) => entry.state),
      ['queued', 'starting', 'running'],
    );
    const route = plane.router.routes.get(record.id);
    assert.equal(route?.address, record.placement?.address);
    assert.deepEqual(route?.ports, [8080]);
    assert.equal(plane.commits.length, 2);
    assert.equal(plane.clock.monotonic(), 0);
    const events = (await plane.events()).map((event) => [event.from, event.state, event.reason]);
    assert.deepEqual(events, [
      [undefined, 'queued', 'created'],
      ['queued', 'starting', 'created'],
      ['starting', 'running', 'ready'],
    ]);
  });

  it('of a template that asks for capabilities is refused where the operator does not name it', async () => {
    const strict = await Plane.started({ loosening: ['other'] });
    await assert.rejects(strict.create({ template: 'loose' }), failsWith('forbidden'));
    assert.equal((await strict.create({ template: 'web' })).state, 'running');
    const named = await Plane.started({ loosening: ['loose'] });
    assert.equal((await named.create({ template: 'loose' })).state, 'running');
  });

  it('waits until the sandbox is ready, asking often at first', async () => {
    const plane = await Plane.started();
    let asked = 0;
    plane.plan({ probe: () => ({ delayMs: 0, outcome: 'ok', ready: ++asked > 4 }) });
    const work = plane.create({ template: 'web' });
    await plane.clock.advance(20);
    assert.equal((await work).state, 'running');
    assert.equal(asked, 5);
  });

  it('answers at once with the place in the queue when it is asked not to wait', async () => {
    const plane = await Plane.started({ startsMax: 1 });
    plane.plan(slow);
    const records = [];
    for (let i = 0; i < 3; i++) records.push(await plane.create({ template: 'web' }, { waitMs: 0 }));
    assert.deepEqual(
      records.map((record) => record.state),
      ['starting', 'queued', 'queued'],
    );
    assert.deepEqual(
      records.map((record) => record.queuePosition),
      [undefined, 1, 2],
    );
    const last = records[2]?.id ?? '';
    await plane.clock.advance(1_000);
    assert.equal((await plane.now.sandboxes.get(bobless, last)).queuePosition, 1);
    await plane.clock.advance(2_000);
    assert.equal((await plane.now.sandboxes.get(bobless, last)).state, 'running');
  });

  it('is refused with at_capacity when too many wait already', async () => {
    const plane = await Plane.started({ startsMax: 1, queueMax: 1 });
    plane.plan(slow);
    await plane.create({ template: 'web' }, { waitMs: 0 });
    await plane.create({ template: 'web' }, { waitMs: 0 });
    await assert.rejects(plane.create({ template: 'web' }, { waitMs: 0 }), failsWith('at_capacity'));
    assert.equal(await plane.store.count({ kind: 'sandbox' }), 2);
  });
});

describe('a create that is not waited for, or refused', () => {
  it('answers with what there is when its wait is over', async () => {
    const plane = await Plane.started();
    plane.plan(slow);
    const record = await plane.drive(plane.create({ template: 'web' }, { waitMs: 100 }));
    assert.equal(record.state, 'starting');
    await plane.clock.advance(1_000);
    assert.equal((await plane.row(record.id))?.state, 'running');
  });

  it('is refused for unknown templates, weaker isolation and more network, and leaves no row', async () => {
    const plane = await Plane.started();
    await assert.rejects(plane.create({ template: 'nope' }), failsWith('template_not_found'));
    await assert.rejects(plane.create({ template: 'strong', isolation: 'jail' }), failsWith('isolation_too_weak'));
    await assert.rejects(plane.create({ template: 'web', network: 'public' }), failsWith('invalid_request'));
    assert.equal(await plane.store.count({ kind: 'sandbox' }), 0);
  });
});

const bobless = { ...bob, owner: 'ada' };

const only = async (plane: Plane) => {
  const [doc] = await plane.store.list<{ id: string; state: string; reason: string; detail: string }>({
    kind: 'sandbox',
    limit: 1,
  });
  assert.ok(doc);
  return doc.value;
};

describe('a create that fails', () => {
  it('throws the reason of the engine, and everything of it is destroyed by then', async () => {
    const plane = await Plane.started();
    await assert.rejects(plane.create({ template: 'missing' }), failsWith('command_not_found'));
    const row = await only(plane);
    assert.deepEqual([row.state, row.reason], ['failed', 'start-failed']);
    assert.match(row.detail, /missing/);
    assert.deepEqual(plane.engine.truth(), []);
    assert.equal(plane.router.routes.get(row.id)?.state, 'failed');
  });

  it('destroys what came up when only the reply was lost', async () => {
    const plane = await Plane.started();
    plane.plan({ create: () => ({ delayMs: 0, outcome: 'lost-reply' }) });
    await assert.rejects(plane.create({ template: 'web' }), failsWith('start_failed'));
    assert.deepEqual(plane.engine.truth(), []);
  });

  it('throws not_ready when the readiness check does not pass within its time', async () => {
    const plane = await Plane.started();
    plane.plan({ probe: () => ({ delayMs: 0, outcome: 'ok', ready: false }) });
    await assert.rejects(plane.drive(plane.create({ template: 'web' })), failsWith('not_ready'));
    assert.ok(plane.clock.monotonic() >= 5_000 && plane.clock.monotonic() < 6_000);
    const row = await only(plane);
    assert.deepEqual([row.state, row.reason], ['failed', 'not-ready']);
    assert.match(row.detail, /port 8080 did not accept within 5s/);
    assert.deepEqual(plane.engine.truth(), []);
  });

  it('does not wait for the readiness of a program that has ended', async () => {
    const plane = await Plane.started();
    plane.plan({
      create: () => ({ delayMs: 0, outcome: 'ok', exitAfterMs: 100, oom: true }),
      probe: () => ({ delayMs: 0, outcome: 'ok', ready: false }),
    });
    await assert.rejects(plane.drive(plane.create({ template: 'web' })), failsWith('memory_too_small'));
    assert.ok(plane.clock.monotonic() < 1_000);
    assert.deepEqual([(await only(plane)).state, (await only(plane)).reason], ['failed', 'oom']);
  });

  it('gives up on an engine that never answers, and removes what comes late', async () => {
    const plane = await Plane.started();
    plane.plan({ create: () => ({ delayMs: 70_000, outcome: 'ok', stubborn: true }) });
    await assert.rejects(
      plane.drive(plane.create({ template: 'web' }, { waitMs: 100_000 })),
      failsWith('start_failed'),
    );
    await plane.clock.advance(30_000);
    assert.deepEqual(plane.engine.truth(), []);
  });
});

describe('a create on a full disk', () => {
  it('leaves nothing behind when the disk is full from the start', async () => {
    const plane = await Plane.started();
    plane.diskFull = true;
    await assert.rejects(plane.create({ template: 'web' }), failsWith('disk_full'));
    plane.diskFull = false;
    assert.equal(await plane.store.count({ kind: 'sandbox' }), 0);
    assert.equal((await plane.create({ template: 'web' })).state, 'running');
  });

  it('is failed, and stays so, when the disk fills up while it starts', async () => {
    const plane = await Plane.started();
    plane.plan(slow);
    const work = plane.create({ template: 'web' });
    await settled();
    plane.diskFull = true;
    await assert.rejects(plane.drive(work), failsWith('disk_full'));
    assert.deepEqual(plane.engine.truth(), []);
    plane.diskFull = false;
    await plane.clock.advance(20_000);
    assert.equal((await only(plane)).state, 'failed');
    assert.deepEqual(plane.engine.truth(), []);
  });
});

describe('an idempotency key', () => {
  it('gives the same sandbox to the same request, also to two at once', async () => {
    const plane = await Plane.started();
    const again = () => plane.create({ template: 'web', env: { A: '1', B: '2' } }, { idempotencyKey: 'k' });
    const [one, two] = await Promise.all([again(), again()]);
    const three = await plane.create({ env: { B: '2', A: '1' }, template: 'web' }, { idempotencyKey: 'k' });
    assert.equal(one.id, two.id);
    assert.equal(one.id, three.id);
    assert.equal(await plane.store.count({ kind: 'sandbox' }), 1);
  });

  it('refuses another request, and is each owner’s own', async () => {
    const plane = await Plane.started();
    const one = await plane.create({ template: 'web' }, { idempotencyKey: 'k' });
    await assert.rejects(plane.create({ template: 'job' }, { idempotencyKey: 'k' }), failsWith('idempotency_conflict'));
    const other = await plane.create({ template: 'job' }, { idempotencyKey: 'k' }, bob);
    assert.notEqual(other.id, one.id);
  });

  it('gives the same failure again, and says when its sandbox is gone', async () => {
    const plane = await Plane.started();
    const fail = () => plane.create({ template: 'missing' }, { idempotencyKey: 'k' });
    await assert.rejects(fail(), failsWith('command_not_found'));
    await assert.rejects(fail(), failsWith('command_not_found'));
    const { id } = await plane.create({ template: 'web' }, { idempotencyKey: 'l' });
    await plane.now.sandboxes.remove(bobless, id);
    await assert.rejects(plane.create({ template: 'web' }, { idempotencyKey: 'l' }), failsWith('sandbox_gone'));
  });
});

describe('a client that goes away while its create is under way', () => {
  const goAway = async (plane: Plane, idempotencyKey?: string) => {
    plane.plan(slow);
    const client = new AbortController();
    const work = plane.create(
      { template: 'web' },
      { signal: client.signal, ...(idempotencyKey ? { idempotencyKey } : {}) },
    );
    await settled();
    client.abort(new Error('gone'));
    await assert.rejects(plane.drive(work), /gone/);
    await plane.clock.advance(5_000);
    const [doc] = await plane.store.list<{ state: string }>({ kind: 'sandbox', limit: 1 });
    return doc?.value.state;
  };

  it('takes its sandbox with it', async () => {
    const plane = await Plane.started();
    assert.equal(await goAway(plane), 'removed');
    assert.deepEqual(plane.engine.truth(), []);
  });

  it('finds it again by its idempotency key', async () => {
    assert.equal(await goAway(await Plane.started(), 'k'), 'running');
  });
});
