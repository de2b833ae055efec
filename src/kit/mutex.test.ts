import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KeyedMutex, SharedGate } from './mutex.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it('work on one key goes one by one in the order of asking, also after errors; other keys go beside it', async () => {
  const mutex = new KeyedMutex();
  const log: string[] = [];
  const work = (name: string) => async () => {
    log.push(`${name}<`);
    await turn();
    log.push(`${name}>`);
    if (name === 'b') throw new Error('b');
  };
  await Promise.allSettled([
    mutex.run('k', work('a')),
    mutex.run('k', work('b')),
    mutex.run('k', work('c')),
    mutex.run('other', work('x')),
  ]);
  assert.deepEqual(
    log.filter((entry) => !entry.startsWith('x')),
    ['a<', 'a>', 'b<', 'b>', 'c<', 'c>'],
  );
  assert.ok(log.indexOf('x<') < log.indexOf('a>'));
  assert.equal(mutex.busy('k'), false);
});

it('a try does nothing while somebody holds the key', async () => {
  const mutex = new KeyedMutex();
  const { promise, resolve } = Promise.withResolvers<void>();
  const holder = mutex.run('k', () => promise);
  assert.equal(await mutex.tryRun('k', async () => 1), undefined);
  resolve();
  await holder;
  assert.equal(await mutex.tryRun('k', async () => 1), 1);
});

it('who is alone in a gate shares it with nobody, and is not kept waiting by those who come later', async () => {
  const gate = new SharedGate();
  let sharing = 0;
  let alone = false;
  const order: string[] = [];
  const shared = (name: string) =>
    gate.shared(async () => {
      sharing += 1;
      assert.equal(alone, false);
      order.push(name);
      await turn();
      await turn();
      sharing -= 1;
    });
  const single = (name: string) =>
    gate.alone(async () => {
      assert.equal(sharing, 0);
      assert.equal(alone, false);
      alone = true;
      order.push(name);
      await turn();
      alone = false;
    });
  const work = [shared('s1'), shared('s2'), single('a1'), shared('s3'), single('a2'), shared('s4')];
  assert.equal(gate.idle, false);
  await Promise.all(work);
  assert.equal(gate.idle, true);
  assert.deepEqual(order.slice(0, 3), ['s1', 's2', 'a1']);
  assert.equal(order.length, 6);
  await assert.rejects(gate.alone(async () => Promise.reject(new Error('x'))));
  await shared('after an error');
});
