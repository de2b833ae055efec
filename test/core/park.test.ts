import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settled } from '../../src/testing/fakes/manual-clock.ts';
import { ada, bob, failsWith, Plane, waiting } from './plane.ts';

const M = 60_000;

const frozen = (plane: Plane, id: string): boolean => {
  const held = plane.engine.truth().find((thing) => thing.id === id);
  return held?.phase === 'running' && held.frozen === true;
};
const state = async (plane: Plane, id: string) => {
  const row = await plane.row(id);
  return `${row?.state} ${row?.reason}`;
};

describe('a sandbox that nobody uses', () => {
  it('is warned, frozen, and later stopped, and it is always known what comes next', async () => {
    const plane = await Plane.started();
    const id = await plane.made('nap');
    const start = plane.clock.now();
    const stops = async () => (await plane.now.sandboxes.get(ada, id)).stops;
    assert.deepEqual(await stops(), { at: start + 15 * M, why: 'hard-limit', then: 'frozen' });
    await plane.clock.advance(10 * M);
    assert.equal(await state(plane, id), 'warned soft-limit');
    const warned = (await plane.events()).at(-1);
    assert.deepEqual(warned?.stops, { at: start + 15 * M, why: 'hard-limit', then: 'frozen' });
    assert.match(warned?.detail ?? '', /will be frozen in 5m, because nobody uses it/);
    await plane.clock.advance(5 * M);
    assert.equal(await state(plane, id), 'frozen hard-limit');
    assert.ok(frozen(plane, id));
    assert.equal(plane.router.routes.get(id)?.wakes, true);
    assert.deepEqual(await stops(), { at: start + 75 * M, why: 'hard-limit', then: 'stopped' });
    await plane.clock.advance(60 * M);
    assert.equal(await state(plane, id), 'stopped hard-limit');
    assert.deepEqual(plane.engine.truth(), []);
    assert.deepEqual([plane.router.routes.get(id)?.wakes, await stops()], [true, undefined]);
    assert.equal(plane.clock.pending < 8, true, 'no timer is left for it');
  });

  it('that is used starts over, whatever it was warned of', async () => {
    const plane = await Plane.started();
    const id = await plane.made('nap');
    await plane.clock.advance(9 * M);
    plane.now.used(id);
    await plane.clock.advance(9 * M);
    assert.equal(await state(plane, id), 'running ready');
    await plane.clock.advance(2 * M);
    assert.equal(await state(plane, id), 'warned soft-limit');
    plane.now.used(id);
    await plane.clock.advance(1);
    assert.equal(await state(plane, id), 'running wake');
    await plane.clock.advance(14 * M);
    assert.equal(await state(plane, id), 'warned soft-limit');
  });

  it('is removed where its policy says so, with the reason', async () => {
    const plane = await Plane.started();
    const id = await plane.made('passing');
    await plane.clock.advance(2 * M);
    assert.equal(await state(plane, id), 'removed hard-limit');
    assert.deepEqual(plane.engine.truth(), []);
  });

  it('tells its terminals, and only its own', async () => {
    const plane = await Plane.started();
    const [one, other] = [await plane.made('nap'), await plane.made('nap')];
    const heard: string[] = [];
    const end = plane.now.sandboxes.onWarning(one, (text) => heard.push(text));
    plane.now.sandboxes.onWarning(other, () => {})();
    await plane.clock.advance(10 * M);
    assert.equal(heard.length, 1);
    assert.match(heard[0] ?? '', /frozen in 5m/);
    end();
  });

  it('is let be when its create says so, or has a policy of its own', async () => {
    const plane = await Plane.started();
    const ever = (await plane.create({ template: 'nap', idle: 'none' })).id;
    const soon = (await plane.create({ template: 'web', idle: { hard: '5s', then: 'frozen' } })).id;
    await plane.clock.advance(5_000);
    assert.equal(await state(plane, soon), 'frozen hard-limit');
    await plane.clock.advance(99 * M);
    assert.equal(await state(plane, ever), 'running ready');
  });
});

it('a sandbox of which only its record is left takes none of the places', async () => {
  const plane = await Plane.started({ sandboxesMax: 1 });
  await plane.made('nap');
  await assert.rejects(plane.create({ template: 'nap' }), failsWith('at_capacity'));
  await plane.clock.advance(75 * M);
  const other = await plane.made('kept');
  await plane.clock.advance(15 * M);
  assert.equal(await state(plane, other), 'stopped hard-limit');
  await assert.rejects(plane.create({ template: 'nap' }), failsWith('at_capacity'), 'a layer that is kept takes room');
});

describe('what counts as use', () => {
  it('is an open connection, but one that says nothing not for ever', async () => {
    const plane = await Plane.started({ silentMs: 5 * M });
    const id = await plane.made('sleep');
    plane.open = 1;
    await plane.clock.advance(19 * M);
    assert.equal(await state(plane, id), 'running ready');
    await plane.clock.advance(M);
    assert.equal(await state(plane, id), 'stopped hard-limit');
  });

  it('is a command, as long as it says something', async () => {
    const plane = await Plane.started({ silentMs: 5 * M });
    const id = await plane.made('sleep');
    const use = plane.now.sandboxes.use(id);
    await plane.clock.advance(14 * M);
    use.touch();
    await plane.clock.advance(19 * M);
    assert.equal(await state(plane, id), 'running ready');
    use.end();
    use.end();
    await plane.clock.advance(1_000);
    assert.equal(await state(plane, id), 'running ready', 'it is looked at when its time has come');
    await plane.clock.advance(M);
    assert.equal(await state(plane, id), 'stopped hard-limit');
  });

  it('is a busy program, where its template wants it so', async () => {
    const plane = await Plane.started();
    let cpuMs = 0;
    let load = 0.5;
    const raw = { memoryBytes: 1, pids: 1, rxBytes: 0, txBytes: 0, logBytes: 0, logDropped: 0 };
    const stats = { stats: async () => ({ cpuMs, ...raw }), processes: async () => [] };
    Object.assign(plane.engine, { stats });
    const id = await plane.made('busy');
    const pass = async (minutes: number) => {
      for (let step = 0; step < minutes * 6; step += 1) {
        cpuMs += 10_000 * load;
        await plane.clock.advance(10_000);
      }
    };
    await pass(12);
    assert.equal(await state(plane, id), 'running ready');
    load = 0.05;
    await pass(6);
    assert.equal(await state(plane, id), 'frozen hard-limit');
  });
});

describe('waking', () => {
  it('thaws what is frozen, once for a thousand who ask at the same time', async () => {
    const plane = await Plane.started();
    const id = await plane.made('nap');
    await plane.clock.advance(15 * M);
    let thaws = 0;
    plane.plan({
      thaw: () => {
        thaws += 1;
        return { delayMs: 5, outcome: 'ok' };
      },
    });
    await plane.drive(Promise.all(Array.from({ length: 1_000 }, () => plane.now.waker.wake(id))));
    assert.deepEqual([thaws, frozen(plane, id), await state(plane, id)], [1, false, 'running wake']);
    const route = plane.router.routes.get(id);
    assert.deepEqual([route?.state, route?.wakes], ['running', undefined]);
    await plane.clock.advance(14 * M);
    assert.equal(await state(plane, id), 'warned soft-limit');
  });

  it('starts what is stopped from its template, once, as the same id, and keeps its files where it shall', async () => {
    for (const [template, fresh] of [
      ['sleep', true],
      ['kept', false],
    ] as const) {
      const plane = await Plane.started();
      const id = await plane.made(template);
      await plane.clock.advance(15 * M);
      assert.equal(await state(plane, id), 'stopped hard-limit');
      assert.equal(plane.phase(id), fresh ? undefined : 'exited');
      const orders: boolean[] = [];
      plane.plan({
        create: (order) => {
          orders.push(order.fresh);
          return { delayMs: 50, outcome: 'ok' };
        },
      });
      const asked = Array.from({ length: 1_000 }, () => plane.now.waker.wake(id));
      await settled();
      assert.deepEqual(plane.router.routes.get(id)?.wakes, true, 'on its way it still holds requests');
      await plane.drive(Promise.all(asked));
      const row = await plane.row(id);
      assert.deepEqual([orders, row?.state, row?.incarnation, row?.parked], [[fresh], 'running', 2, undefined]);
      assert.equal(plane.router.routes.get(id)?.wakes, undefined);
      assert.ok(plane.router.routes.get(id)?.address);
    }
  });
});

describe('a wake', () => {
  it('does not bring back what ended by itself, by a person or by its time', async () => {
    const plane = await Plane.started();
    const id = await plane.made('sleep');
    plane.engine.exit(id);
    await settled();
    await assert.rejects(plane.now.waker.wake(id), failsWith('wrong_state'));
    assert.equal(plane.router.routes.get(id)?.wakes, undefined);
    await plane.now.sandboxes.remove(ada, id);
    await assert.rejects(plane.now.waker.wake(id), failsWith('sandbox_gone'));
    await assert.rejects(plane.now.waker.wake('sb-nobody'), failsWith('sandbox_not_found'));
  });

  it('goes back to sleep when there is no room right now, and the next request tries again', async () => {
    const plane = await Plane.started();
    const id = await plane.made('kept');
    await plane.clock.advance(15 * M);
    plane.plan({ create: () => ({ delayMs: 0, outcome: 'refuse' }) });
    await assert.rejects(plane.drive(plane.now.waker.wake(id)));
    assert.equal(await state(plane, id), 'stopped start-failed');
    assert.equal(plane.router.routes.get(id)?.wakes, true);
    plane.plan({});
    await plane.drive(plane.now.waker.wake(id));
    assert.equal((await plane.row(id))?.state, 'running');
  });

  it('is what a command does, and looking at it is not', async () => {
    const plane = await Plane.started();
    const id = await plane.made('nap');
    await plane.clock.advance(15 * M);
    assert.equal((await plane.now.sandboxes.target(ada, id)).state, 'frozen');
    assert.equal((await plane.now.sandboxes.get(ada, id)).state, 'frozen');
    assert.equal((await plane.now.sandboxes.list(ada, { limit: 10 })).items[0]?.state, 'frozen');
    assert.ok(frozen(plane, id));
    await assert.rejects(plane.now.sandboxes.awake(bob, id), failsWith('sandbox_not_found'));
    assert.ok(frozen(plane, id), 'not for others');
    assert.equal((await plane.drive(plane.now.sandboxes.awake(ada, id))).state, 'running');
    assert.equal(frozen(plane, id), false);
  });

  it('happens for a byte on a connection that stayed open', async () => {
    const plane = await Plane.started();
    const id = await plane.made('nap');
    plane.open = 1;
    await plane.clock.advance(20 * M);
    assert.ok(frozen(plane, id));
    plane.now.used(id);
    await plane.clock.advance(1);
    assert.equal(await state(plane, id), 'running wake');
  });
});

describe('a late parker', () => {
  it('stops nothing that was used while it was deciding', async () => {
    const plane = await Plane.started();
    const id = await plane.made('sleep');
    const set = plane.router.set.bind(plane.router);
    // A request that came just before others are held.
    plane.router.set = async (route) => {
      if (route.wakes && route.state === 'running') plane.now.used(id);
      await set(route);
    };
    await plane.clock.advance(15 * M);
    assert.equal(await state(plane, id), 'running ready');
    assert.equal(plane.router.routes.get(id)?.wakes, undefined, 'nobody is held any more');
  });

  it('lets what can not be frozen go on, and asks again later', async () => {
    const plane = await Plane.started();
    const id = await plane.made('nap');
    plane.plan({ freeze: () => ({ delayMs: 0, outcome: 'refuse' }) });
    await plane.clock.advance(15 * M);
    assert.equal(await state(plane, id), 'running wake');
    assert.match((await plane.row(id))?.detail ?? '', /could not be frozen/);
    plane.plan({});
    await plane.clock.advance(15 * M);
    assert.equal(await state(plane, id), 'frozen hard-limit');
  });
});

describe('restart, reset and removal of what is parked', () => {
  it('work as ever', async () => {
    const plane = await Plane.started();
    const [one, two, three] = [await plane.made('nap'), await plane.made('nap'), await plane.made('sleep')];
    await plane.clock.advance(15 * M);
    assert.equal((await plane.drive(plane.now.sandboxes.restart(ada, one, waiting))).state, 'running');
    assert.equal(frozen(plane, one), false);
    await plane.drive(plane.now.sandboxes.remove(ada, two));
    assert.equal(plane.phase(two), undefined);
    assert.equal((await plane.drive(plane.now.sandboxes.reset(ada, three, waiting))).state, 'running');
    await plane.drive(plane.now.sandboxes.remove(ada, three));
  });
});

describe('when Arc starts again', () => {
  it('what is frozen stays frozen and wakes; what is stopped wakes; what was quiet goes on being quiet', async () => {
    const plane = await Plane.started();
    const [nap, sleep] = [await plane.made('nap'), await plane.made('sleep')];
    await plane.clock.advance(15 * M);
    const later = await plane.made('sleep');
    await plane.clock.advance(10 * M);
    await plane.restart();
    assert.equal(await state(plane, nap), 'frozen hard-limit');
    assert.ok(frozen(plane, nap));
    assert.equal(plane.router.routes.get(sleep)?.wakes, true);
    await plane.drive(plane.now.waker.wake(nap));
    await plane.drive(plane.now.waker.wake(sleep));
    assert.equal(frozen(plane, nap), false);
    await plane.clock.advance(6 * M);
    assert.equal(await state(plane, later), 'stopped hard-limit');
  });

  it('half-parked and half-woken ones are finished', async () => {
    const plane = await Plane.started();
    const [half, woken, stopped] = [await plane.made('nap'), await plane.made('nap'), await plane.made('sleep')];
    await plane.clock.advance(15 * M - 1);
    await plane.drive(plane.now.close());
    const row = async (id: string) => (await plane.row(id)) ?? assert.fail();
    // Written, and killed before the engine was asked; asked, and killed before it was written.
    await plane.write({ ...(await row(half)), state: 'frozen', reason: 'hard-limit' });
    await plane.engine.freeze(await row(woken));
    const { placement: _gone, ...rest } = await row(stopped);
    await plane.write({ ...rest, state: 'stopped', reason: 'hard-limit', parked: { keep: false } });
    await plane.restart();
    await plane.clock.advance(100);
    assert.equal(frozen(plane, half), true);
    assert.equal(frozen(plane, woken), false);
    assert.equal(plane.phase(stopped), undefined);
  });
});

describe('a time to live', () => {
  it('warns, has a grace time in which more can be given, and an end', async () => {
    const plane = await Plane.started();
    const id = await plane.made('course');
    await plane.clock.advance(55 * M);
    assert.equal(await state(plane, id), 'warned ttl');
    await plane.clock.advance(5 * M);
    assert.equal(await state(plane, id), 'stopped ttl');
    assert.equal(plane.router.routes.get(id)?.wakes, undefined);
    await assert.rejects(plane.now.waker.wake(id), failsWith('wrong_state'));
    await assert.rejects(plane.now.sandboxes.restart(ada, id, waiting), failsWith('wrong_state'));
    const again = await plane.drive(plane.now.sandboxes.extend(ada, id, 20 * M));
    assert.deepEqual([again.state, again.incarnation, again.stops?.why], ['running', 2, 'ttl']);
    await plane.clock.advance(20 * M);
    assert.equal(await state(plane, id), 'stopped ttl');
    await plane.clock.advance(10 * M);
    assert.equal(await state(plane, id), 'removed ttl');
  });

  it('can be extended up to its cap and not beyond, and a create can not ask for more', async () => {
    const plane = await Plane.started();
    const id = await plane.made('course');
    const start = plane.clock.now();
    assert.equal((await plane.now.sandboxes.extend(ada, id, 90 * M)).expiresAt, start + 90 * M);
    assert.equal((await plane.now.sandboxes.extend(ada, id, 500 * M)).expiresAt, start + 120 * M);
    await assert.rejects(plane.now.sandboxes.extend(ada, id, 500 * M), failsWith('life_too_long'));
    await assert.rejects(plane.create({ template: 'course', ttl: '3h' }), failsWith('invalid_request'));
  });

  it('counts while it is parked', async () => {
    const plane = await Plane.started();
    const frozenOne = (await plane.create({ template: 'nap', ttl: '30m' })).id;
    const stopped = (await plane.create({ template: 'sleep', ttl: '30m' })).id;
    await plane.clock.advance(20 * M);
    await plane.restart();
    await plane.clock.advance(11 * M);
    for (const id of [frozenOne, stopped]) assert.equal(await state(plane, id), 'removed ttl');
    assert.deepEqual(plane.engine.truth(), []);
  });

  it('an extend keeps an idle one awake for as long', async () => {
    const plane = await Plane.started();
    const id = await plane.made('nap');
    await plane.clock.advance(12 * M);
    await plane.now.sandboxes.extend(ada, id, 40 * M);
    assert.equal(await state(plane, id), 'running extend');
    await plane.clock.advance(34 * M);
    assert.equal(await state(plane, id), 'running extend');
    await plane.clock.advance(6 * M);
    assert.equal(await state(plane, id), 'frozen hard-limit');
  });
});

it('when memory is short the longest idle are parked first, and none that is in use', async () => {
  const plane = await Plane.started({
    pressure: { availableMin: 0.1, stalledPercentMax: 20, quietMs: 30_000, atOnce: 1 },
  });
  const [old, used, web] = [await plane.made('nap'), await plane.made('sleep'), await plane.made('web')];
  await plane.clock.advance(M);
  const young = await plane.made('sleep');
  plane.now.used(used);
  plane.engine.pressure = { totalBytes: 100, availableBytes: 5 };
  await plane.clock.advance(5_000);
  assert.equal(await state(plane, old), 'frozen pressure');
  await plane.clock.advance(5_000);
  assert.equal(await state(plane, young), 'running ready');
  // Frozen and still short: what its policy would stop some day is stopped now.
  assert.equal(await state(plane, old), 'stopped pressure');
  await plane.clock.advance(30_000);
  assert.deepEqual([await state(plane, used), await state(plane, young)], ['stopped pressure', 'stopped pressure']);
  assert.equal(await state(plane, web), 'running ready');
});
