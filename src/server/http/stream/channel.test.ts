import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { ManualClock } from '../../../testing/fakes/manual-clock.ts';
import { BUSY_SILENCE_MS_MAX, FIRST_MESSAGE_MS_MAX, PING_MS } from '../limits.ts';
import { Channel } from './channel.ts';

async function pair(options: { autoPong: boolean }) {
  const clock = new ManualClock();
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, options);
  client.on('error', () => {});
  const channel = new Channel(await accepted, clock);
  if (client.readyState !== client.OPEN) await new Promise((resolve) => client.once('open', resolve));
  const closed = new Promise<number>((resolve) => client.once('close', resolve));
  const dispose = async () => {
    client.terminate();
    await new Promise((resolve) => server.close(resolve));
  };
  return { clock, channel, client, closed, [Symbol.asyncDispose]: dispose };
}

test('a peer that answers no ping is let go', async () => {
  const one = await pair({ autoPong: false });
  await using _ = one;
  for (let at = 0; at < 3; at += 1) await one.clock.advance(PING_MS);
  assert.equal(await one.closed, 1006);
});

test('a peer that is being sent data may be silent for longer, but not for ever', async () => {
  const one = await pair({ autoPong: false });
  await using _ = one;
  for (let at = 0; at < BUSY_SILENCE_MS_MAX / PING_MS; at += 1) {
    await one.channel.send(new Uint8Array([1]));
    await one.clock.advance(PING_MS);
    assert.equal(one.channel.closed, false, `after ${at + 1} pings`);
  }
  await one.channel.send(new Uint8Array([1]));
  await one.clock.advance(PING_MS);
  assert.equal(await one.closed, 1006);
});

test('a first message that does not come is given up', async () => {
  const one = await pair({ autoPong: true });
  await using _ = one;
  const first = assert.rejects(one.channel.first(new AbortController().signal), { code: 'timeout' });
  await one.clock.advance(FIRST_MESSAGE_MS_MAX);
  await first;
});

test('messages before anyone listens are kept in order', async () => {
  const one = await pair({ autoPong: true });
  await using _ = one;
  for (const text of ['a', 'b', 'c', 'd']) one.client.send(text);
  const signal = new AbortController().signal;
  assert.equal((await one.channel.first(signal)).text, 'a');
  const rest: (string | undefined)[] = [];
  await new Promise<void>((resolve) => {
    one.channel.listen((message) => {
      rest.push(message.text);
      if (rest.length === 3) resolve();
    });
  });
  assert.deepEqual(rest, ['b', 'c', 'd']);
});

test('a close does not wait for ever for a peer that is dead', async () => {
  const one = await pair({ autoPong: true });
  await using _ = one;
  one.client.pause();
  const closing = one.channel.close(1000, 'x'.repeat(500));
  await one.clock.advance(PING_MS);
  await closing;
  assert.equal(one.channel.closed, true);
});
