import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settled } from '../../src/testing/fakes/manual-clock.ts';
import { ada, admin, bob, failsWith, Plane, waiting } from './plane.ts';

const DAY_MS = 86_400_000;

describe('removing', () => {
  it('resolves when all of it is gone, and is the same when asked twice', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    const record = await plane.now.sandboxes.remove(ada, id);
    assert.deepEqual([record.state, record.reason], ['removed', 'user']);
    assert.deepEqual(plane.engine.truth(), []);
    assert.equal(plane.router.routes.get(id)?.address, undefined);
    assert.equal((await plane.now.sandboxes.remove(ada, id)).state, 'removed');
    await assert.rejects(plane.now.sandboxes.get(ada, id), failsWith('sandbox_gone'));
  });

  it('breaks off a start that is under way', async () => {
    const plane = await Plane.started();
    plane.plan({ create: () => ({ delayMs: 10_000, outcome: 'ok' }) });
    const create = plane.create({ template: 'web' }, { waitMs: 60_000 });
    create.catch(() => {});
    await settled();
    const [held] = plane.engine.truth();
    await plane.drive(plane.now.sandboxes.remove(ada, held?.id ?? ''));
    await assert.rejects(create, failsWith('sandbox_gone'));
    assert.ok(plane.clock.monotonic() < 5_000);
    assert.deepEqual(plane.engine.truth(), []);
  });

  it('says so when not all of it is gone yet, and goes on trying', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    plane.plan({ destroy: () => ({ delayMs: 0, outcome: 'refuse' }) });
    await assert.rejects(plane.now.sandboxes.remove(ada, id), failsWith('unavailable'));
    assert.equal(plane.phase(id), 'running');
    assert.equal(plane.router.routes.get(id)?.address, undefined);
    plane.plan({});
    await plane.clock.advance(16_000);
    assert.equal(plane.phase(id), undefined);
  });

  it('does not hang with an engine that hangs', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    plane.plan({ destroy: () => ({ delayMs: 0, outcome: 'hang' }) });
    await assert.rejects(plane.drive(plane.now.sandboxes.remove(ada, id)), failsWith('unavailable'));
    plane.plan({});
    await plane.drive(plane.now.sandboxes.remove(ada, id));
    assert.deepEqual(plane.engine.truth(), []);
  });
});

describe('removing on a full disk', () => {
  it('makes room before it needs any itself', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    plane.diskFull = true;
    await assert.rejects(plane.now.sandboxes.remove(ada, id), failsWith('disk_full'));
    assert.deepEqual(plane.engine.truth(), []);
    plane.diskFull = false;
    assert.equal((await plane.now.sandboxes.remove(ada, id)).state, 'removed');
  });

  it('leads nobody to an address that was given back before a full disk let that be written', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    plane.diskFull = true;
    await assert.rejects(plane.now.sandboxes.remove(ada, id), failsWith('disk_full'));
    // Its row still says that it runs, and where.
    await plane.now.waker.wake(id);
    assert.equal(plane.router.routes.get(id)?.address, undefined);
    await plane.clock.advance(16_000);
    assert.equal(plane.router.routes.get(id)?.address, undefined);
  });

  it('leads to it again when it could not be removed after all', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    const { address } = plane.router.routes.get(id) ?? {};
    plane.diskFull = true;
    plane.plan({ destroy: () => ({ delayMs: 0, outcome: 'refuse' }) });
    await assert.rejects(plane.now.sandboxes.remove(ada, id));
    assert.equal(plane.router.routes.get(id)?.address, undefined);
    await plane.clock.advance(16_000);
    assert.equal(plane.router.routes.get(id)?.address, address);
  });
});

describe('a program that ends', () => {
  it('is stopped with its exit code, or says that it ran out of memory', async () => {
    const plane = await Plane.started();
    const [one, two] = [await plane.made('web'), await plane.made('web')];
    plane.engine.exit(one, { code: 7 });
    plane.engine.exit(two, { code: null, signal: 'SIGKILL', oom: true });
    await settled();
    const [first, second] = [await plane.row(one), await plane.row(two)];
    assert.deepEqual([first?.state, first?.reason, first?.exit?.code], ['stopped', 'exit', 7]);
    assert.deepEqual([second?.state, second?.reason, second?.exit?.oom], ['stopped', 'oom', true]);
    assert.equal(plane.router.routes.get(one)?.address, undefined);
    await assert.rejects(plane.now.sandboxes.target(ada, one), failsWith('wrong_state'));
    assert.equal((await plane.now.sandboxes.target(ada, one, { anyState: true })).state, 'stopped');
  });

  it('has run even if it ended before anybody looked', async () => {
    const plane = await Plane.started();
    plane.plan({ create: () => ({ delayMs: 0, outcome: 'ok', exitAfterMs: 0 }) });
    const id = await plane.made('job');
    await plane.clock.advance(1);
    assert.deepEqual(
      (await plane.row(id))?.history.map((entry) => entry.state),
      ['queued', 'starting', 'running', 'stopped'],
    );
  });
});

it('a commit of which only the answer is lost counts as what it is: written', async () => {
  const plane = await Plane.started();
  plane.answersLost = true;
  const record = await plane.create({ template: 'web' });
  assert.equal(record.state, 'running');
  assert.equal((await plane.now.sandboxes.remove(ada, record.id)).state, 'removed');
  assert.deepEqual(plane.engine.truth(), []);
  assert.equal(plane.router.routes.get(record.id)?.address, undefined);
});

describe('restart and reset', () => {
  it('start the next incarnation, the one over the layer of before and the other afresh', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    const orders: boolean[] = [];
    plane.plan({
      create: (order) => {
        orders.push(order.fresh);
        return { delayMs: 0, outcome: 'ok' };
      },
    });
    const restarted = await plane.now.sandboxes.restart(ada, id, waiting);
    assert.deepEqual([restarted.state, restarted.incarnation, restarted.id], ['running', 2, id]);
    const reset = await plane.now.sandboxes.reset(ada, id, waiting);
    assert.deepEqual([reset.state, reset.incarnation], ['running', 3]);
    assert.deepEqual(orders, [false, true]);
    assert.deepEqual(
      reset.history.slice(-3).map((entry) => entry.reason),
      ['reset', 'reset', 'ready'],
    );
    assert.equal(plane.router.routes.get(id)?.incarnation, 3);
  });

  it('are refused while it is being started', async () => {
    const plane = await Plane.started();
    plane.plan({ create: () => ({ delayMs: 1_000, outcome: 'ok' }) });
    const { id } = await plane.create({ template: 'web' }, { waitMs: 0 });
    for (const again of ['restart', 'reset'] as const) {
      await assert.rejects(plane.now.sandboxes[again](ada, id, waiting), failsWith('starting'));
    }
    await plane.clock.advance(3_000);
    assert.deepEqual([(await plane.row(id))?.state, (await plane.row(id))?.incarnation], ['running', 1]);
  });

  it('let one of two win', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    const twice = [1, 2].map(() => plane.now.sandboxes.restart(ada, id, waiting));
    const outcomes = (await plane.drive(Promise.allSettled(twice))).map((outcome) => outcome.status);
    assert.deepEqual(outcomes.sort(), ['fulfilled', 'rejected']);
    assert.equal((await plane.row(id))?.incarnation, 2);
  });

  it('are not undone by late news of the incarnation before', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    await plane.now.sandboxes.restart(ada, id, waiting);
    await plane.clock.advance(100);
    const row = await plane.row(id);
    assert.deepEqual([row?.state, row?.incarnation, row?.exit], ['running', 2, undefined]);
  });
});

describe('time to live', () => {
  it('removes a sandbox when its time is over and says why', async () => {
    const plane = await Plane.started();
    const id = await plane.made('brief');
    const { expiresAt } = await plane.now.sandboxes.get(ada, id);
    assert.equal(expiresAt, plane.clock.now() + 600_000);
    await plane.clock.advance(599_000);
    assert.equal((await plane.row(id))?.state, 'running');
    await plane.clock.advance(2_000);
    assert.deepEqual([(await plane.row(id))?.state, (await plane.row(id))?.reason], ['removed', 'ttl']);
    assert.deepEqual(plane.engine.truth(), []);
  });

  it('is longer when somebody asks for more, never shorter', async () => {
    const plane = await Plane.started();
    const id = await plane.made('brief');
    const start = plane.clock.now();
    assert.equal((await plane.now.sandboxes.extend(ada, id, 60_000)).expiresAt, start + 600_000);
    assert.equal((await plane.now.sandboxes.extend(ada, id, 1_200_000)).expiresAt, start + 1_200_000);
    assert.equal((await plane.events()).at(-1)?.reason, 'extend');
    await plane.clock.advance(1_199_000);
    assert.equal((await plane.row(id))?.state, 'running');
    await plane.clock.advance(1_001);
    assert.equal((await plane.row(id))?.state, 'removed');
  });

  it('is the same when the clock is set forward or back by a day, while Arc runs and while it does not', async () => {
    for (const jump of [DAY_MS, -DAY_MS]) {
      for (const down of [false, true]) {
        const plane = await Plane.started();
        const id = await plane.made('brief');
        await plane.clock.advance(300_000);
        if (down) await plane.drive(plane.now.close());
        plane.clock.jumpWall(jump);
        if (down) await plane.restart();
        const { expiresAt = 0 } = await plane.now.sandboxes.get(ada, id);
        assert.ok(Math.abs(expiresAt - plane.clock.now() - 300_000) < 3_000, 'people are told the new time');
        await plane.clock.advance(295_000);
        assert.equal((await plane.row(id))?.state, 'running', `jump ${jump}`);
        await plane.clock.advance(6_000);
        assert.equal((await plane.row(id))?.state, 'removed', `jump ${jump}`);
      }
    }
  });

  it('goes on after a restart of the machine with what was left, however long that took', async () => {
    const plane = await Plane.started();
    const id = await plane.made('brief');
    await plane.clock.advance(300_000);
    await plane.drive(plane.now.close());
    plane.engine.reboot(() => false);
    await plane.clock.advance(DAY_MS);
    plane.boot.reboot();
    await plane.restart();
    await plane.clock.advance(200_000);
    assert.equal((await plane.row(id))?.state, 'running');
    await plane.clock.advance(170_000);
    assert.equal((await plane.row(id))?.state, 'removed');
  });
});

describe('when Arc starts again', () => {
  it('finds what runs at the same address, and touches nothing of it', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    const before = await plane.row(id);
    await plane.restart();
    assert.deepEqual(await plane.row(id), before);
    assert.equal(plane.router.routes.get(id)?.address, before?.placement?.address);
    assert.equal(plane.phase(id), 'running');
  });

  it('finishes what was half-made', async () => {
    const plane = await Plane.started();
    plane.plan({ create: () => ({ delayMs: 0, outcome: 'hang' }) });
    const { id } = await plane.create({ template: 'web' }, { waitMs: 0 });
    plane.plan({});
    await plane.restart();
    await plane.clock.advance(100);
    const row = await plane.row(id);
    assert.deepEqual([row?.state, row?.reason], ['running', 'adopted']);
  });

  it('hears of exits that it missed', async () => {
    const plane = await Plane.started();
    const id = await plane.made('web');
    await plane.drive(plane.now.close());
    plane.engine.exit(id, { code: 3 });
    await plane.restart();
    const row = await plane.row(id);
    assert.deepEqual([row?.state, row?.exit?.code], ['stopped', 3]);
  });

  it('removes what nobody owns', async () => {
    const plane = await Plane.started();
    plane.engine.plant({ id: 'sb-nobody', incarnation: 4 });
    await plane.clock.advance(16_000);
    assert.deepEqual(plane.engine.truth(), []);
  });
});

describe('a restart of the machine, and other bad days', () => {
  it('makes again what a restart of the machine ended, or marks it, as the template says', async () => {
    const plane = await Plane.started();
    const [web, lab] = [await plane.made('web'), await plane.made('lab')];
    await plane.drive(plane.now.close());
    plane.engine.reboot(() => true);
    plane.boot.reboot();
    await plane.restart();
    await plane.clock.advance(1_000);
    const [again, lost] = [await plane.row(web), await plane.row(lab)];
    assert.deepEqual([again?.state, again?.incarnation], ['running', 2]);
    assert.ok(again?.history.some((entry) => entry.reason === 'node-lost'));
    assert.deepEqual([lost?.state, lost?.reason], ['failed', 'node-lost']);
    assert.equal(plane.phase(lab), undefined);
  });

  it('starts nothing before the engine has said what there is', async () => {
    const plane = new Plane();
    plane.plan({ list: () => ({ delayMs: 0, outcome: 'refuse' }) });
    await plane.start();
    const record = await plane.create({ template: 'web' }, { waitMs: 0 });
    await plane.clock.advance(1_000);
    assert.equal((await plane.row(record.id))?.state, 'queued');
    plane.plan({});
    await plane.clock.advance(6_000);
    assert.equal((await plane.row(record.id))?.state, 'running');
  });

  it('answers people whose wait was cut off, and takes no more creates', async () => {
    const plane = await Plane.started();
    plane.plan({ create: () => ({ delayMs: 10_000, outcome: 'ok' }) });
    const create = plane.create({ template: 'web' });
    create.catch(() => {});
    await settled();
    await plane.drive(plane.now.close());
    await assert.rejects(create, failsWith('unavailable'));
    await assert.rejects(plane.create({ template: 'web' }), failsWith('unavailable'));
  });
});

describe('what is over', () => {
  it('is remembered with its reason for a while and then forgotten, with its idempotency key', async () => {
    const plane = await Plane.started({ keepRemovedMs: 60_000 });
    const id = await plane.made('web', { idempotencyKey: 'k' });
    await plane.now.sandboxes.remove(ada, id);
    await plane.restart();
    assert.deepEqual([plane.router.routes.get(id)?.state, plane.router.routes.get(id)?.reason], ['removed', 'user']);
    await plane.clock.advance(80_000);
    await assert.rejects(plane.now.sandboxes.get(ada, id), failsWith('sandbox_not_found'));
    assert.equal(plane.router.routes.has(id), false);
    assert.equal(await plane.store.count({ kind: 'idempotency' }), 0);
  });

  it('is forgotten earlier when there is too much of it, the oldest first', async () => {
    const plane = await Plane.started({ keepRemovedMax: 2 });
    const ids = [];
    for (let i = 0; i < 4; i++) {
      ids.push(await plane.made('web'));
      await plane.now.sandboxes.remove(ada, ids[i] ?? '');
    }
    await plane.clock.advance(16_000);
    const kept = await Promise.all(ids.map(async (id) => (await plane.row(id)) !== undefined));
    assert.deepEqual(kept, [false, false, true, true]);
  });

  it('includes failures, which go after the same time', async () => {
    const plane = await Plane.started({ keepRemovedMs: 60_000 });
    await assert.rejects(plane.create({ template: 'missing' }));
    await plane.clock.advance(150_000);
    assert.equal(await plane.store.count({ kind: 'sandbox' }), 0);
  });
});

describe('owners', () => {
  it('see their own sandboxes only, and admins see all', async () => {
    const plane = await Plane.started();
    const mine = await plane.create({ template: 'web', labels: { team: 'a' } });
    const theirs = await plane.create({ template: 'job', labels: { team: 'b' } }, {}, bob);
    const { sandboxes } = plane.now;
    const other = failsWith('sandbox_not_found');
    await assert.rejects(sandboxes.get(bob, mine.id), other);
    await assert.rejects(sandboxes.remove(bob, mine.id), other);
    await assert.rejects(sandboxes.restart(bob, mine.id, waiting), other);
    await assert.rejects(sandboxes.reset(bob, mine.id, waiting), other);
    await assert.rejects(sandboxes.extend(bob, mine.id, 1), other);
    await assert.rejects(sandboxes.target(bob, mine.id), other);
    const ids = async (...args: Parameters<typeof sandboxes.list>) =>
      (await sandboxes.list(...args)).items.map((item) => item.id);
    assert.deepEqual(await ids(ada, { limit: 10 }), [mine.id]);
    assert.deepEqual(await ids(bob, { limit: 10, owner: 'ada' }), []);
    assert.deepEqual(new Set(await ids(admin, { limit: 10 })), new Set([mine.id, theirs.id]));
    assert.deepEqual(await ids(admin, { limit: 10, owner: 'bob' }), [theirs.id]);
    assert.deepEqual(await ids(admin, { limit: 10, labels: ['team=a'] }), [mine.id]);
    assert.deepEqual(await ids(admin, { limit: 10, labels: ['kind'] }), [mine.id]);
    assert.deepEqual(await ids(admin, { limit: 10, template: 'job', state: 'running' }), [theirs.id]);
  });

  it('need a key with the scope', async () => {
    const plane = await Plane.started();
    const reader = { ...ada, scopes: ['sandboxes:read'] as const };
    await assert.rejects(plane.create({ template: 'web' }, {}, reader), failsWith('forbidden'));
    assert.deepEqual(await plane.now.sandboxes.list(reader, { limit: 1 }), { items: [] });
  });
});

describe('a list', () => {
  it('goes through all pages and refuses the cursor of another question', async () => {
    const plane = await Plane.started();
    const made = new Set<string>();
    for (let i = 0; i < 7; i++) made.add(await plane.made('job'));
    const { sandboxes } = plane.now;
    const seen: string[] = [];
    let page = await sandboxes.list(ada, { limit: 3 });
    const first = page.nextCursor ?? '';
    for (;;) {
      seen.push(...page.items.map((item) => item.id));
      if (page.nextCursor === undefined) break;
      page = await sandboxes.list(ada, { limit: 3, cursor: page.nextCursor });
    }
    assert.equal(seen.length, 7);
    assert.deepEqual(new Set(seen), made);
    await assert.rejects(
      sandboxes.list(ada, { limit: 3, cursor: first, template: 'job' }),
      failsWith('cursor_invalid'),
    );
    await assert.rejects(sandboxes.list(ada, { limit: 3, cursor: 'x' }), failsWith('cursor_invalid'));
    await assert.rejects(sandboxes.list(ada, { limit: 0 }), failsWith('invalid_request'));
  });
});

describe('the feed of events', () => {
  it('gives the caller’s events, resumes after a seq, and follows until it is ended', async () => {
    const plane = await Plane.started();
    await plane.create({ template: 'job' }, {}, bob);
    const id = await plane.made('job');
    const end = new AbortController();
    const seen: string[] = [];
    const follow = async (after: number | undefined) => {
      for await (const { seq, event } of plane.now.sandboxes.events(ada, after, end.signal)) {
        seen.push(`${seq} ${event.subject} ${event.state}`);
      }
    };
    const work = follow(4);
    await settled();
    await plane.now.sandboxes.remove(ada, id);
    await settled();
    end.abort();
    await work;
    assert.deepEqual(seen, [`5 ${id} starting`, `6 ${id} running`, `7 ${id} removed`]);
  });
});
