import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { resolveTemplate } from '../../domain/resolve.ts';
import { engineConformance } from '../../testing/conformance/engine.ts';
import { ManualClock, settled } from '../../testing/fakes/manual-clock.ts';
import { SeededRng } from '../../testing/fakes/seeded-rng.ts';
import { FakeEngine } from './engine.ts';
import { type CreateFate, NO_FAULTS, seededPlan, smoothPlan } from './plan.ts';

const spec = (command: string[], ports: number[] = []): ResolvedSpec =>
  resolveTemplate({ name: 'x', root: { builtin: 'x' }, command, ports }, { kind: 'builtin', name: 'x' });
const order = (id: string, command = ['/serve']) =>
  ({ id, incarnation: 1, owner: 'o', labels: {}, spec: spec(command), fresh: true }) as const;
const { signal } = new AbortController();

engineConformance('FakeEngine', new FakeEngine(new ManualClock()).capabilities, async () => {
  const clock = new ManualClock();
  return {
    engine: new FakeEngine(clock),
    serving: spec(['/serve'], [80]),
    exiting: (code) => spec(['/exit', String(code)]),
    missing: spec(['/missing']),
    pause: () => clock.advance(5),
    dispose: async () => {},
  };
});

function told(fate: Partial<CreateFate>): { clock: ManualClock; engine: FakeEngine } {
  const clock = new ManualClock();
  const create = () => ({ delayMs: 0, outcome: 'ok', ...fate }) as const;
  return { clock, engine: new FakeEngine(clock, { ...smoothPlan, create }) };
}

it('a create that is told to lose its reply throws and runs', async () => {
  const { engine } = told({ outcome: 'lost-reply' });
  await assert.rejects(engine.create(order('sb-lost'), signal));
  assert.equal(engine.truth()[0]?.phase, 'running');
});

it('a create that is told to leave something behind throws and is half there', async () => {
  const { engine } = told({ outcome: 'leftover' });
  await assert.rejects(engine.create(order('sb-half'), signal));
  assert.equal(engine.truth()[0]?.phase, 'partial');
});

it('a stubborn create goes on after it was cancelled, another one ends at once', async () => {
  for (const stubborn of [true, false]) {
    const { clock, engine } = told({ delayMs: 100, stubborn });
    const cancel = new AbortController();
    const work = engine.create(order('sb-slow'), cancel.signal).catch(() => undefined);
    await settled();
    cancel.abort(new Error('cancelled'));
    await clock.advance(100);
    await work;
    assert.equal(engine.truth().length, stubborn ? 1 : 0);
  }
});

it('after a restart of the machine nothing runs and addresses are free', async () => {
  const { engine } = told({});
  const before = await engine.create(order('sb-one'), signal);
  engine.reboot((id) => id === 'sb-one');
  assert.deepEqual(engine.truth(), [{ id: 'sb-one', incarnation: 1, phase: 'partial' }]);
  assert.equal((await engine.create(order('sb-two'), signal)).address, before.address);
});

it('the same seed gives the same fates', () => {
  const fates = (seed: number) => {
    const rng = new SeededRng(seed);
    const plan = seededPlan(
      () => rng.float(),
      () => ({ ...NO_FAULTS, refuse: 0.3, hang: 0.2, exit: 0.5 }),
    );
    return Array.from({ length: 50 }, () => plan.create(order('sb-x')));
  };
  assert.deepEqual(fates(7), fates(7));
  assert.notDeepEqual(fates(7), fates(8));
});
