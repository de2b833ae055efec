import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedFlights } from './shared-flights.ts';

test('work that several want is done once, and goes on while one of them still waits', async () => {
  const flights = new SharedFlights<string>();
  const { promise, resolve } = Promise.withResolvers<string>();
  let starts = 0;
  let inner: AbortSignal | undefined;
  const start = (signal: AbortSignal) => {
    starts += 1;
    inner = signal;
    return promise;
  };
  const first = new AbortController();
  const a = flights.join('k', first.signal, start);
  const b = flights.join('k', new AbortController().signal, start);
  first.abort(new Error('left'));
  await assert.rejects(a, /left/);
  assert.equal(inner?.aborted, false);
  resolve('done');
  assert.equal(await b, 'done');
  assert.equal(starts, 1);
});

test('the last one to leave ends the work, and leaves only when it has ended', async () => {
  const flights = new SharedFlights<string>();
  const only = new AbortController();
  let ended = false;
  const join = flights.join('k', only.signal, async (signal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    ended = true;
    throw signal.reason;
  });
  only.abort(new Error('left'));
  await assert.rejects(join, /left/);
  assert.equal(ended, true);
  assert.equal(await flights.join('k', new AbortController().signal, async () => 'again'), 'again');
});
