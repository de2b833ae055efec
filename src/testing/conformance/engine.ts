import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ArcError, type ErrorCode } from '../../contract/errors.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { CreateOrder, Engine, EngineCapabilities, EngineEvent, Held, Target } from '../../engines/engine.ts';

/** An engine under test, with specs that it can really run. */
export interface EngineSubject {
  readonly engine: Engine;
  /** Runs until it is ended, and is ready (by the readiness check in it) soon after its start. */
  readonly serving: ResolvedSpec;
  /** Ends by itself with this code, soon; its readiness is `none`. */
  exiting(code: number): ResolvedSpec;
  /** Names a program that its root does not have. */
  readonly missing: ResolvedSpec;
  /** Lets a little time pass, for what the engine does by itself. */
  pause(): Promise<void>;
  dispose(): Promise<void>;
}

/** Times that a condition is looked at before it is taken for never coming true. */
const LOOKS_MAX = 500;
const signal = new AbortController().signal;

type Check = (title: string, body: (subject: EngineSubject) => Promise<void>) => void;

/**
 * What every Engine does. `capabilities` are those it is expected to have: tests of a capability that it doesn't claim
 * are not made, and claiming less than expected is a failure.
 */
export function engineConformance(
  name: string,
  capabilities: EngineCapabilities,
  make: () => Promise<EngineSubject>,
): void {
  const check: Check = (title, body) =>
    it(title, async () => {
      const subject = await make();
      try {
        await body(subject);
        const left = (await subject.engine.list()).filter((held) => held.id.startsWith('sb-conf'));
        for (const { id, incarnation } of left) await subject.engine.destroy({ id, incarnation });
        assert.deepEqual(ours(await subject.engine.list()), [], 'nothing is held in the end');
      } finally {
        await subject.dispose();
      }
    });

  describe(`${name} as an Engine`, () => {
    check('has what it says it has', async ({ engine }) => {
      assert.deepEqual(engine.capabilities, capabilities);
      assert.equal(engine.execs !== undefined, capabilities.exec);
      assert.equal(engine.files !== undefined, capabilities.files);
      assert.equal(engine.logs !== undefined, capabilities.logs);
      assert.equal(engine.stats !== undefined, capabilities.stats);
    });
    starts(check);
    failures(check);
    ends(check);
    races(check);
    if (capabilities.exec && capabilities.files) layers(check);
    if (capabilities.logs) logs(check);
    if (capabilities.stats) stats(check);
    if (capabilities.park) parks(check);
  });
}

let made = 0;

/** Ids are never used again, not even by two tests. */
function order(spec: ResolvedSpec, target: Partial<CreateOrder> = {}): CreateOrder {
  made += 1;
  const digits = [...made.toString(32).padStart(4, '0')].map(
    (digit) => 'abcdefghijklmnopqrstuvwxyz234567'[parseInt(digit, 32)],
  );
  const id = `sb-conf${digits.join('')}`;
  return { id, incarnation: 1, owner: 'conformance', labels: {}, spec, fresh: true, ...target };
}

function ours(held: readonly Held[]): readonly Held[] {
  return held.filter((thing) => thing.id.startsWith('sb-conf'));
}

async function heldOf(engine: Engine, target: Target): Promise<Held | undefined> {
  return (await engine.list()).find((held) => held.id === target.id);
}

async function until(subject: EngineSubject, what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    if (await condition()) return;
    await subject.pause();
  }
  assert.fail(`never: ${what}`);
}

const fails = async (work: Promise<unknown>, ...codes: ErrorCode[]) => {
  await assert.rejects(work, (error) => error instanceof ArcError && codes.includes(error.code));
};

function starts(check: Check): void {
  check('starts a sandbox, says where it is and holds it', async (subject) => {
    const { engine, serving } = subject;
    const one = order(serving);
    const placement = await engine.create(one, signal);
    assert.match(placement.address, /^\d+\.\d+\.\d+\.\d+$/);
    assert.ok(placement.node && placement.runtime);
    const held = await heldOf(engine, one);
    assert.ok(held?.phase === 'running');
    assert.equal(held.incarnation, 1);
    assert.deepEqual(held.placement, placement);
    await until(subject, 'it is ready', () => engine.probe(one, serving, signal));
    await engine.destroy(one);
  });

  check('starts nothing twice when it is asked again for the same incarnation', async ({ engine, serving }) => {
    const one = order(serving);
    const [first, second] = await Promise.all([engine.create(one, signal), engine.create(one, signal)]);
    assert.deepEqual(second, first);
    assert.deepEqual(await engine.create(one, signal), first);
    assert.equal(ours(await engine.list()).length, 1);
    await engine.destroy(one);
  });

  check('gives every sandbox its own address', async ({ engine, serving }) => {
    const orders = Array.from({ length: 6 }, () => order(serving));
    const placements = await Promise.all(orders.map((one) => engine.create(one, signal)));
    assert.equal(new Set(placements.map((placement) => placement.address)).size, orders.length);
    await Promise.all(orders.map((one) => engine.destroy(one)));
    assert.deepEqual(ours(await engine.list()), []);
  });

  check('reports its nodes and the levels they give', async ({ engine, serving }) => {
    const nodes = await engine.nodes();
    assert.ok(nodes.length > 0);
    const given = nodes.flatMap((node) => node.levels).filter((level) => level.available);
    assert.ok(given.some((level) => level.level === serving.isolation));
    for (const level of given) assert.ok(level.runtime, `${level.level} is given by a runtime with a name`);
  });
}

function failures(check: Check): void {
  check('refuses a command that is not there and leaves nothing behind', async ({ engine, missing }) => {
    await fails(engine.create(order(missing), signal), 'command_not_found');
    assert.deepEqual(ours(await engine.list()), []);
  });

  check('refuses a level that it does not give, and says which it gives', async ({ engine, serving }) => {
    const levels = (await engine.nodes()).flatMap((node) => node.levels);
    const absent = levels.find(({ level }) => !levels.some((other) => other.level === level && other.available));
    if (!absent) return;
    const asked = order({ ...serving, isolation: absent.level });
    await assert.rejects(engine.create(asked, signal), (error) => {
      assert.ok(error instanceof ArcError && error.code === 'isolation_unavailable');
      assert.ok(Array.isArray(error.extra.levels) && error.extra.levels.includes(serving.isolation));
      return true;
    });
    assert.deepEqual(ours(await engine.list()), []);
  });

  check('leaves nothing behind when a start is cancelled', async ({ engine, serving }) => {
    const early = AbortSignal.abort(new Error('cancelled'));
    await assert.rejects(engine.create(order(serving), early));
    const cancel = new AbortController();
    const one = order(serving);
    const work = engine.create(one, cancel.signal);
    cancel.abort(new Error('cancelled'));
    // It may have been faster than the cancelling; then it runs and says so.
    const outcome = await work.then(
      () => 'runs',
      () => 'gone',
    );
    assert.equal((await heldOf(engine, one))?.phase, outcome === 'runs' ? 'running' : undefined);
    await engine.destroy(one);
  });

  check('answers false for the readiness of what is not there', async ({ engine, serving }) => {
    const one = order({ ...serving, ready: { kind: 'port', port: 9, timeoutMs: 1_000 } });
    assert.equal(await engine.probe(one, one.spec, signal).catch(() => false), false);
  });
}

function ends(check: Check): void {
  check('tells once that a program ended, with its code, and holds it as exited', async (subject) => {
    const { engine } = subject;
    const heard: EngineEvent[] = [];
    const end = engine.watch((event) => heard.push(event));
    const one = order(subject.exiting(7));
    await engine.create(one, signal);
    await until(subject, 'the exit is told', () => heard.length > 0);
    const [event] = heard;
    assert.ok(event?.type === 'exited');
    assert.deepEqual({ id: event.target.id, incarnation: event.target.incarnation }, { id: one.id, incarnation: 1 });
    assert.deepEqual([event.exit.code, event.exit.signal, event.exit.oom], [7, null, false]);
    const held = await heldOf(engine, one);
    assert.ok(held?.phase === 'exited');
    assert.equal(held.exit.code, 7);
    await subject.pause();
    end();
    assert.equal(heard.filter((other) => other.type === 'exited').length, 1);
    await engine.destroy(one);
  });

  check('destroys all of it, also when asked twice or for what was never there', async ({ engine, serving }) => {
    const one = order(serving);
    await engine.create(one, signal);
    await engine.destroy(one);
    assert.equal(await heldOf(engine, one), undefined);
    await engine.destroy(one);
    await engine.destroy(order(serving));
    await engine.stop(order(serving));
    assert.deepEqual(ours(await engine.list()), []);
  });

  check('stops what runs, keeps the rest of it, and goes on with the next incarnation', async ({ engine, serving }) => {
    const one = order(serving);
    await engine.create(one, signal);
    await engine.stop(one);
    const stopped = await heldOf(engine, one);
    assert.ok(stopped && stopped.phase !== 'running');
    await engine.stop(one);
    await engine.create({ ...one, incarnation: 2, fresh: false }, signal);
    const again = await heldOf(engine, one);
    assert.ok(again?.phase === 'running' && again.incarnation === 2);
    await engine.destroy({ id: one.id, incarnation: 2 });
    assert.equal(await heldOf(engine, one), undefined);
  });

  check('leaves a newer incarnation alone when an older one is ended late', async ({ engine, serving }) => {
    const one = order(serving);
    await engine.create(one, signal);
    await engine.destroy(one);
    const two = { ...one, incarnation: 2 };
    await engine.create(two, signal);
    await engine.destroy(one);
    await engine.stop(one);
    const held = await heldOf(engine, two);
    assert.ok(held?.phase === 'running' && held.incarnation === 2);
    await engine.destroy(two);
  });
}

function races(check: Check): void {
  check('holds nothing after a destroy that came while it was being made', async (subject) => {
    const { engine, serving } = subject;
    const orders = Array.from({ length: 4 }, () => order(serving));
    await Promise.all(
      orders.map(async (one) => {
        const work = engine.create(one, signal).catch(() => undefined);
        await engine.destroy(one);
        await work;
        // What had come up meanwhile goes with the next one.
        await engine.destroy(one);
      }),
    );
    assert.deepEqual(ours(await engine.list()), []);
  });

  check('makes and removes many at once and keeps none', async ({ engine, serving }) => {
    const life = async () => {
      const one = order(serving);
      await engine.create(one, signal);
      await engine.destroy(one);
    };
    for (let round = 0; round < 2; round++) await Promise.all(Array.from({ length: 6 }, life));
    assert.deepEqual(ours(await engine.list()), []);
  });
}

function layers(check: Check): void {
  const write = async (engine: Engine, target: Target, text: string) => {
    await using files = await needed(engine.files).open(target);
    const content = async function* () {
      yield Buffer.from(text);
    };
    await files.write('/tmp/kept', content(), 0o644);
  };
  const read = async (engine: Engine, target: Target) => {
    await using files = await needed(engine.files).open(target);
    const parts: Uint8Array[] = [];
    for await (const part of files.read('/tmp/kept')) parts.push(part);
    return Buffer.concat(parts).toString();
  };

  check(
    'keeps the writable layer over a stop, and begins from the template when asked for it fresh',
    async (subject) => {
      const { engine, serving } = subject;
      const one = order(serving);
      await engine.create(one, signal);
      await write(engine, one, 'of before');
      assert.equal(await read(engine, one), 'of before');
      await engine.stop(one);
      const two = { ...one, incarnation: 2, fresh: false };
      await engine.create(two, signal);
      assert.equal(await read(engine, two), 'of before');
      await engine.destroy(two);
      const three = { ...one, incarnation: 3, fresh: true };
      await engine.create(three, signal);
      await fails(read(engine, three), 'file_not_found');
      await engine.destroy(three);
    },
  );

  check('knows no command that it did not start', async ({ engine, serving }) => {
    const one = order(serving);
    await engine.create(one, signal);
    await fails(needed(engine.execs).join(one, 'ex-aaaaaaaaaaaaaaaa'), 'exec_not_found');
    assert.deepEqual(await needed(engine.execs).list(one), []);
    await engine.destroy(one);
  });
}

function logs(check: Check): void {
  check('keeps a log over a stop, in order, and forgets it with the sandbox', async (subject) => {
    const { engine } = subject;
    const one = order(subject.exiting(0));
    await engine.create(one, signal);
    await until(subject, 'it has ended', async () => (await heldOf(engine, one))?.phase === 'exited');
    await engine.stop(one);
    let seq = 0;
    for await (const chunk of needed(engine.logs).read(one.id, { since: 0, follow: false }, signal)) {
      assert.ok(chunk.seq > seq);
      seq = chunk.seq;
    }
    for await (const chunk of needed(engine.logs).read(one.id, { since: seq, follow: false }, signal)) {
      assert.fail(`chunk ${chunk.seq} is not after ${seq}`);
    }
    await engine.destroy(one);
  });
}

function stats(check: Check): void {
  check('measures what runs', async ({ engine, serving }) => {
    const one = order(serving);
    await engine.create(one, signal);
    const measured = await needed(engine.stats).stats(one);
    assert.ok(measured.memoryBytes >= 0 && measured.pids >= 1);
    assert.ok((await needed(engine.stats).processes(one)).length >= 1);
    await engine.destroy(one);
  });
}

function parks(check: Check): void {
  check('freezes and thaws this very incarnation, and holds it as frozen meanwhile', async (subject) => {
    const { engine, serving } = subject;
    const one = order(serving);
    const placement = await engine.create(one, signal);
    await needed(engine.freeze?.bind(engine))(one);
    assert.deepEqual(await heldOf(engine, one), { ...bareOf(one), phase: 'running', placement, frozen: true });
    await fails(needed(engine.thaw?.bind(engine))({ ...one, incarnation: 2 }), 'wrong_state');
    await needed(engine.thaw?.bind(engine))(one);
    assert.deepEqual(await heldOf(engine, one), { ...bareOf(one), phase: 'running', placement });
    await until(subject, 'it serves again', () => engine.probe(one, serving, signal));
    await engine.destroy(one);
    await fails(needed(engine.freeze?.bind(engine))(one), 'wrong_state', 'sandbox_gone');
  });

  check('stops and destroys what is frozen', async ({ engine, serving }) => {
    const one = order(serving);
    await engine.create(one, signal);
    await needed(engine.freeze?.bind(engine))(one);
    await engine.stop(one);
    const two = { ...one, incarnation: 2, fresh: false };
    await engine.create(two, signal);
    assert.equal((await heldOf(engine, two))?.phase, 'running');
    await needed(engine.freeze?.bind(engine))(two);
    await engine.destroy(two);
  });

  check('says how short of memory it is', async ({ engine }) => {
    const pressure = await needed(engine.memoryPressure?.bind(engine))();
    assert.ok(pressure.totalBytes >= pressure.availableBytes && pressure.availableBytes > 0);
  });
}

const bareOf = ({ id, incarnation }: Target): Target => ({ id, incarnation });

function needed<T>(capability: T | undefined): T {
  assert.ok(capability !== undefined);
  return capability;
}
