import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ManualClock } from '../../../testing/fakes/manual-clock.ts';
import { UPLOAD_IDLE_MS_MAX } from '../limits.ts';
import { uploaded } from './upload.ts';

test('an upload that falls silent is given up after its bound, and one that goes on is not', async () => {
  const clock = new ManualClock();
  const arrived = Promise.withResolvers<IncomingMessage>();
  const server = createServer((incoming) => arrived.resolve(incoming)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const client = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', method: 'PUT' });
  client.on('error', () => {});
  client.write('one');
  const chunks = uploaded(await arrived.promise, clock);
  assert.equal((await chunks.next()).value?.toString(), 'one');
  const second = chunks.next();
  await clock.advance(UPLOAD_IDLE_MS_MAX - 1);
  client.write('two');
  assert.equal((await second).value?.toString(), 'two');
  const third = chunks.next();
  const refused = assert.rejects(third, { code: 'request_timeout' });
  await clock.advance(UPLOAD_IDLE_MS_MAX);
  await refused;
  client.destroy();
  server.close();
});
