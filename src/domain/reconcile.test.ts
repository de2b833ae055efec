import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type HeldFacts, type RowFacts, reconcile } from './reconcile.ts';

const placement = { node: 'n', address: '10.0.0.1', runtime: 'fake' };
const exit = { code: 1, signal: null, oom: false, at: 0 };
const row = (state: RowFacts['state'], more: Partial<RowFacts> = {}): RowFacts => ({
  ...{ id: 'sb-a', incarnation: 2, state, createdAt: 0, revision: 1, owner: 'ada', ready: 'none' },
  afterReboot: 'recreate',
  ...(state === 'running' ? { placement } : {}),
  ...more,
});
const running = (incarnation = 2, address = placement.address): HeldFacts => ({
  ...{ id: 'sb-a', incarnation, phase: 'running' },
  placement: { ...placement, address },
});
const exited = (incarnation = 2): HeldFacts => ({ id: 'sb-a', incarnation, phase: 'exited', exit });
const partial = (incarnation = 2): HeldFacts => ({ id: 'sb-a', incarnation, phase: 'partial' });
const plan = (rows: readonly RowFacts[], held: readonly HeldFacts[]) =>
  reconcile(rows, held).map((step) => ('partial' in step && step.partial ? `${step.do} partial` : step.do));

it('adopts what runs, and says when it has moved', () => {
  const [still] = reconcile([row('running')], [running()]);
  assert.ok(still?.do === 'adopt' && !still.moved);
  const [moved] = reconcile([row('running')], [running(2, '10.0.0.9')]);
  assert.ok(moved?.do === 'adopt' && moved.moved);
});

it('takes what does not run for ended or lost', () => {
  assert.deepEqual(plan([row('running')], [exited()]), ['exit']);
  for (const held of [[], [partial()], [running(1)], [exited(1)]]) {
    assert.deepEqual(plan([row('running')], held), ['recreate']);
    assert.deepEqual(plan([row('frozen', { afterReboot: 'fail' })], held), ['node-lost']);
  }
});

it('finishes starts, and knows those of which something is left half-made', () => {
  for (const state of ['queued', 'starting'] as const) {
    assert.deepEqual(plan([row(state)], []), ['finish-start']);
    assert.deepEqual(plan([row(state)], [running()]), ['finish-start']);
    assert.deepEqual(plan([row(state)], [running(1)]), ['finish-start']);
    assert.deepEqual(plan([row(state)], [partial()]), ['finish-start partial']);
  }
  assert.deepEqual(plan([row('starting')], [exited()]), ['exit']);
});

it('goes through what waits in the order of its creation', () => {
  const rows = [3, 1, 2].map((createdAt) => row('queued', { id: `sb-${createdAt}`, createdAt }));
  assert.deepEqual(
    reconcile(rows, []).map((step) => step.id),
    ['sb-1', 'sb-2', 'sb-3'],
  );
});

it('keeps what a stopped sandbox left, and ends what runs of it', () => {
  assert.deepEqual(plan([row('stopped')], [exited()]), []);
  assert.deepEqual(plan([row('stopped')], [partial()]), []);
  assert.deepEqual(plan([row('stopped')], [running()]), ['stop']);
});

it('destroys whatever failed, was removed, or never had a row', () => {
  for (const held of [running(), exited(), partial()]) {
    assert.deepEqual(plan([row('failed')], [held]), ['destroy']);
    assert.deepEqual(plan([row('removed')], [held]), ['destroy']);
    assert.deepEqual(plan([], [held]), ['destroy']);
  }
  assert.deepEqual(plan([row('failed')], []), []);
});

it('lets owners go on taking turns where an earlier run of Arc left off', () => {
  const queued = (id: string, owner: string, createdAt: number) => row('queued', { id, owner, createdAt });
  const rows = [
    // Ada's first has just been served, so that it is the turn of the others now.
    row('running', { id: 'a0', owner: 'ada', createdAt: 1, begunAt: 50 }),
    ...[queued('a1', 'ada', 2), queued('a2', 'ada', 3), queued('b1', 'bob', 10), queued('c1', 'cy', 60)],
  ];
  const held = [{ id: 'a0', incarnation: 2, phase: 'running', placement } as const];
  const waiting = reconcile(rows, held).filter((step) => step.do === 'finish-start');
  assert.deepEqual(
    waiting.map(({ id }) => id),
    ['b1', 'a1', 'a2', 'c1'],
  );
});
