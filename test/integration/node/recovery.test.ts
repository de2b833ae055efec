import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { ArcError } from '../../../src/contract/errors.ts';
import type { CreateOrder, EngineEvent, Target } from '../../../src/engines/engine.ts';
import type { LocalEngine } from '../../../src/engines/local/index.ts';
import { realClock } from '../../../src/kit/real.ts';
import { newExecId, newId, specOf } from './harness.ts';
import { type LocalWorld, localWorld } from './local-world.ts';

/** Restarts of every part of a node, on the real kernel. */
let shared: LocalWorld;
before(async () => {
  shared = await localWorld();
});
after(() => shared[Symbol.asyncDispose]());

const signal = AbortSignal.timeout(120_000);
const order = (changes: Parameters<typeof specOf>[0] = {}): CreateOrder => ({
  ...{ id: newId(), incarnation: 1, owner: 'test', labels: {}, fresh: true },
  spec: specOf(changes, { diskKind: 'image' }),
});

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await holds()) return;
    await realClock.sleep(20);
  }
  assert.fail(`never: ${what}`);
}

async function says(engine: LocalEngine, target: Target, script: string): Promise<string> {
  const stream = await engine.execs.start(target, newExecId(), { command: ['/bin/sh', '-c', script], env: {} });
  const parts: Uint8Array[] = [];
  for await (const { data } of stream.output) parts.push(data);
  await stream.exit;
  await stream[Symbol.asyncDispose]();
  return Buffer.concat(parts).toString('utf8').trim();
}

it('a server that is started again finds what runs at the same address, and gives nobody its slot', async () => {
  const wanted = order();
  const placement = await shared.node.engine.create(wanted, signal);
  const again = await shared.again();
  const held = (await again.engine.list()).find((one) => one.id === wanted.id);
  assert.deepEqual(held, { id: wanted.id, incarnation: 1, phase: 'running', placement });
  assert.deepEqual(await again.engine.create(wanted, signal), placement);
  const other = order();
  assert.notEqual((await again.engine.create(other, signal)).address, placement.address);
  await again.engine.destroy(other);
  await again.engine.destroy(wanted);
});

it('a restart of the program stays in its slot, so that its files stay its own', async () => {
  const { engine } = shared.node;
  const wanted = order({ user: '1000', cwd: '/tmp' });
  const first = await engine.create(wanted, signal);
  await says(engine, wanted, 'echo mine > /tmp/note; chmod 600 /tmp/note');
  await engine.stop(wanted);
  const next = { ...wanted, incarnation: 2, fresh: false };
  assert.equal((await engine.create(next, signal)).address, first.address);
  assert.equal(await says(engine, next, 'cat /tmp/note; stat -c %u /tmp/note'), 'mine\n1000');
  await engine.destroy(next);
});

it('when the helper is killed sandboxes go on, are found again, and their end is told', async () => {
  const { engine } = shared.node;
  const wanted = order();
  const placement = await engine.create(wanted, signal);
  const events: EngineEvent[] = [];
  const off = engine.watch((event) => events.push(event));
  process.kill(shared.helper.pid ?? 0, 'SIGKILL');
  await until('the helper is back and all was listed again', () => events.some((event) => event.type === 'resync'));
  const held = (await engine.list()).find((one) => one.id === wanted.id);
  assert.ok(held?.phase === 'running');
  assert.equal(held.placement.address, placement.address);
  assert.equal(await says(engine, wanted, 'echo on'), 'on');
  await engine.stop(wanted);
  await engine.destroy(wanted);
  off();
});

it('a folder that no record explains is shown as half made, and removed when asked', async () => {
  const { engine } = shared.node;
  const id = newId();
  await mkdir(join(shared.dir, 'sandboxes', id, 'names'), { recursive: true });
  await shared.node.agent.sweep();
  assert.deepEqual(
    (await engine.list()).find((one) => one.id === id),
    { id, incarnation: 1, phase: 'partial' },
  );
  await engine.destroy({ id, incarnation: 1 });
  assert.equal(existsSync(join(shared.dir, 'sandboxes', id)), false);
  assert.equal(
    (await engine.list()).some((one) => one.id === id),
    false,
  );
});

it('a sandbox whose program was killed from outside is told as ended', async () => {
  const { engine } = shared.node;
  const wanted = order();
  await engine.create(wanted, signal);
  const entry = (await shared.helper.list()).find((one) => one.id === wanted.id);
  process.kill(entry?.pid ?? 0, 'SIGKILL');
  await until(
    'it is exited',
    async () => (await engine.list()).find((one) => one.id === wanted.id)?.phase === 'exited',
  );
  await engine.destroy(wanted);
});

it('nothing is left of fifty that are made and removed in a hurry', async () => {
  const { engine } = shared.node;
  const orders = Array.from({ length: 50 }, () => order());
  const created = orders.map((one) => engine.create(one, signal).catch((error: unknown) => error));
  const destroyed = orders.map((one, n) =>
    n % 2 === 0 ? engine.destroy(one) : created[n]?.then(() => engine.destroy(one)),
  );
  await Promise.all([...created, ...destroyed]);
  await Promise.all(orders.map((one) => engine.destroy(one)));
  const { plan } = shared.node;
  for (let slot = 1; slot <= 80; slot += 1) {
    assert.equal(existsSync(`/sys/class/net/${plan.hostInterface(slot, 'none')}`), false, `slot ${slot}`);
  }
  assert.deepEqual(await engine.list(), []);
});

it('a range that the host uses is refused, and every call says so', async () => {
  const other = localWorld('127.0.0.0/8');
  await assert.rejects(other, (error) => error instanceof ArcError && error.code === 'address_range_in_use');
});
