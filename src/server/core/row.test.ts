import assert from 'node:assert/strict';
import { test } from 'node:test';
import { born, transition } from '../../domain/lifecycle.ts';
import { routeOf, type SandboxRow } from './row.ts';

test('a route tells when its state began, whenever it is set: after a restart of Arc too', () => {
  const spec = { ports: [80] } as unknown as SandboxRow['spec'];
  const first = { id: 'sb-aaaa', incarnation: 1, spec, ...born('starting', 'user', 5) } as unknown as SandboxRow;
  const running = transition(first, 'running', 'ready', 20);
  assert.deepEqual([routeOf(first).since, routeOf(running).since], [5, 20]);
  const gone = transition(running, 'removed', 'ttl', 90);
  assert.equal(routeOf(gone).since, 90);
  const again = { ...running, history: [...running.history, { at: 60, state: 'running', reason: 'adopted' }] } as const;
  assert.equal(routeOf(again).since, 20, 'it ran all the time');
});
