import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLogger } from '../kit/logger.ts';
import { realClock } from '../kit/real.ts';
import { routerConformance } from '../testing/conformance/router.ts';
import { EDGE_LIMITS } from './limits.ts';
import { RouteTable } from './table.ts';

const open = (limits = EDGE_LIMITS) => new RouteTable(realClock, silentLogger, limits);

routerConformance('built-in edge', async () => {
  const router = open();
  return { router, close: async () => router.close() };
});

const running = (id: string, incarnation: number, address: string) =>
  ({ id, incarnation, state: 'running', reason: 'ready', address, ports: [80] }) as const;

it('a change of state that keeps the sandbox running keeps its connections', async () => {
  const table = open();
  await table.set(running('sb-aaaa', 1, '127.0.0.2'));
  const pool = table.lookup('sb-aaaa')?.pool;
  await table.set({ ...running('sb-aaaa', 1, '127.0.0.2'), state: 'warned' });
  assert.ok(pool && table.lookup('sb-aaaa')?.pool === pool && !pool.closed);
});

it('a new incarnation, a new address and a stop each close the connections at once', async () => {
  const table = open();
  for (const change of [
    running('sb-aaaa', 2, '127.0.0.2'),
    running('sb-aaaa', 2, '127.0.0.3'),
    { ...running('sb-aaaa', 2, '127.0.0.3'), state: 'stopped', reason: 'exit' } as const,
  ]) {
    if (table.lookup('sb-aaaa') === undefined) await table.set(running('sb-aaaa', 1, '127.0.0.2'));
    const pool = table.lookup('sb-aaaa')?.pool;
    void table.set(change);
    assert.equal(pool?.closed, true);
    assert.notEqual(table.lookup('sb-aaaa')?.pool, pool);
  }
});

it('an address given to another sandbox is taken from the first, and late news of the first do not win it back', async () => {
  const table = open();
  await table.set(running('sb-first', 1, '127.0.0.2'));
  const pool = table.lookup('sb-first')?.pool;
  await table.set(running('sb-second', 1, '127.0.0.2'));
  assert.equal(pool?.closed, true);
  await table.set({ ...running('sb-first', 1, '127.0.0.2'), state: 'warned' });
  assert.equal(table.lookup('sb-first')?.pool, undefined);
  assert.equal(table.lookup('sb-second')?.pool?.closed, false);
  await table.set(running('sb-first', 2, '127.0.0.3'));
  assert.equal(table.lookup('sb-first')?.pool?.address, '127.0.0.3');
});

it('only so many removed sandboxes are remembered, and the oldest are forgotten first', async () => {
  const table = open({ ...EDGE_LIMITS, goneRoutes: 2 });
  for (const id of ['sb-aaaa', 'sb-bbbb', 'sb-cccc']) {
    await table.set({ id, incarnation: 1, state: 'removed', reason: 'ttl', ports: [] });
  }
  assert.deepEqual(
    (await table.list()).map((route) => route.id),
    ['sb-bbbb', 'sb-cccc'],
  );
});

it('the time of a state is kept while the state is', async () => {
  const table = open();
  await table.set({ ...running('sb-aaaa', 1, '127.0.0.2'), since: 5 });
  assert.equal(table.lookup('sb-aaaa')?.since, 5);
  await table.set(running('sb-aaaa', 1, '127.0.0.2'));
  assert.equal(table.lookup('sb-aaaa')?.since, 5);
});
