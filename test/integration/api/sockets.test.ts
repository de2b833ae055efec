import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { realClock } from '../../../src/kit/real.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { Write } from '../../../src/store/store.ts';
import { type Harness, startApi, until } from './harness.ts';

/** A client's end of a WebSocket, with everything it was sent. */
class Client {
  readonly socket: WebSocket;
  readonly said: Record<string, unknown>[] = [];
  bytes = Buffer.alloc(0);
  received = 0;
  refused: { status: number; code: string } | undefined;
  closed: { code: number; reason: string } | undefined;

  constructor(
    h: Harness,
    path: string,
    key: string | null = h.alice,
    options: { headers?: Record<string, string> } = {},
  ) {
    const protocols = key === null ? [] : ['arc.v1', `bearer.${key}`];
    this.socket = new WebSocket(`ws://127.0.0.1:${h.port}${path}`, protocols, options);
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.received += data.length;
      if (!isBinary) this.said.push(JSON.parse(data.toString()) as Record<string, unknown>);
      else if (this.bytes.length < 1_000_000) this.bytes = Buffer.concat([this.bytes, data]);
    });
    this.socket.on('close', (code, reason) => {
      this.closed ??= { code, reason: reason.toString() };
    });
    this.socket.on('error', () => {});
    this.socket.on('unexpected-response', (_, response) => {
      let text = '';
      response.on('data', (data: Buffer) => {
        text += data.toString();
      });
      response.on('end', () => {
        this.refused = { status: response.statusCode ?? 0, code: (JSON.parse(text) as { code: string }).code };
      });
    });
  }

  async open(): Promise<this> {
    await until(() => this.socket.readyState === WebSocket.OPEN, 'the WebSocket to open');
    return this;
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  input(text: string | Buffer): void {
    this.socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(text)]));
  }

  end(): Promise<void> {
    return until(() => this.closed !== undefined, 'the WebSocket to close');
  }
}

async function withSandbox(
  options: Parameters<typeof startApi>[0] = {},
): Promise<{ h: Harness; id: string; path: string }> {
  const h = await startApi(options);
  const { id } = h.sandboxes.put('alice');
  return { h, id, path: `/v1/sandboxes/${id}` };
}

test('a command over a WebSocket takes input, gives output and ends with its exit', async () => {
  const { h, id, path } = await withSandbox();
  await using _ = h;
  const client = await new Client(h, `${path}/exec`).open();
  assert.equal(client.socket.protocol, 'arc.v1', 'the key is not sent back');
  // All at once, before the server has answered anything.
  client.say({ command: ['cat'], env: { A: '1' } });
  client.input('hello ');
  client.input('world');
  client.say({ type: 'stdin-close' });
  await client.end();
  assert.equal(client.closed?.code, 1000);
  const [started, exit] = client.said;
  assert.deepEqual([started?.type, started?.sandbox, started?.tty], ['started', id, false]);
  assert.match(String(started?.id), /^ex-/);
  assert.deepEqual([exit?.type, exit?.timedOut, (exit as { exit: { code: number } }).exit.code], ['exit', false, 0]);
  assert.equal(client.bytes.toString().replaceAll('\u0001', ''), 'hello world');
  await until(() => h.sandboxes.parts.execs[0]?.left === 1, 'the stream to be left');
});

test('what a client says at once is heard while the store takes its time with the audit', async () => {
  class SlowStore extends MemoryStore {
    override async commit(writes: readonly Write[]): Promise<readonly number[]> {
      await realClock.sleep(50);
      return await super.commit(writes);
    }
  }
  const { h, path } = await withSandbox({ store: new SlowStore() });
  await using _ = h;
  const client = await new Client(h, `${path}/exec`).open();
  client.say({ command: ['cat'] });
  client.say({ type: 'stdin-close' });
  await client.end();
  assert.equal(client.closed?.code, 1000);
});

test('input that comes slowly, one message at a time, is all taken', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const client = await new Client(h, `${path}/exec`).open();
  client.say({ command: ['cat'] });
  await until(() => client.said.length === 1, 'the command to start');
  for (let at = 0; at < 5; at += 1) {
    client.input(`${at}`);
    await until(() => client.bytes.toString().includes(`${at}`), `input ${at} to come back`);
  }
  client.say({ type: 'stdin-close' });
  await client.end();
});

test('a terminal has a size that changes, and takes signals while its input is stuck', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const client = await new Client(h, `${path}/terminal`).open();
  client.say({ cols: 80, rows: 24 });
  await until(() => client.said.length === 1, 'the terminal to start');
  const [exec] = h.sandboxes.parts.execs;
  assert.deepEqual(exec?.order.tty, { cols: 80, rows: 24 });
  assert.equal(exec?.order.env.TERM, 'xterm-256color');
  if (exec) exec.gate = new Promise(() => {});
  client.input('never read');
  client.say({ type: 'resize', cols: 132, rows: 50 });
  client.say({ type: 'signal', signal: 'SIGHUP' });
  await client.end();
  assert.deepEqual([exec?.sizes, exec?.signals], [['132x50'], ['SIGHUP']]);
  assert.equal((client.said.at(-1) as { exit: { signal: string } }).exit.signal, 'SIGHUP');
});

test('a client that goes away leaves the program running, and can join it again by its id', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const first = await new Client(h, `${path}/exec`).open();
  first.say({ command: ['wait'] });
  await until(() => first.said.length === 1, 'the command to start');
  const id = String(first.said[0]?.id);
  first.socket.terminate();
  const [exec] = h.sandboxes.parts.execs;
  await until(() => exec?.left === 1, 'the stream to be left');
  assert.equal(exec?.ended, undefined);
  const second = await new Client(h, `${path}/exec`).open();
  second.say({ join: id });
  await until(() => second.said.length === 1, 'the command to be joined');
  exec?.emit('stderr', Buffer.from('still here'));
  exec?.end({ code: 0 });
  await second.end();
  assert.equal(second.bytes.toString(), '\u0002still here');
  const third = await new Client(h, `${path}/exec`).open();
  third.say({ join: 'ex-zzzz' });
  await third.end();
  assert.deepEqual([third.closed?.code, third.closed?.reason], [1008, 'exec_not_found']);
  assert.equal((third.said[0] as { problem: { code: string } }).problem.code, 'exec_not_found');
});

test('a client that does not read holds up the program, not the server', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const client = await new Client(h, `${path}/exec`).open();
  client.say({ command: ['flood'] });
  await until(() => client.received > 0, 'the first output');
  client.socket.pause();
  const [exec] = h.sandboxes.parts.execs;
  let before = -1;
  await until(async () => {
    const same = exec?.produced === before;
    before = exec?.produced ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return same;
  }, 'the flood to be held up');
  assert.equal((await h.call('GET', '/healthz')).status, 200);
  client.socket.resume();
  await until(() => (exec?.produced ?? 0) > before, 'the flood to go on');
  client.socket.terminate();
  await until(() => exec?.left === 1, 'the stream to be left');
});

test('a program that does not read holds up its client', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const client = await new Client(h, `${path}/exec`).open();
  client.say({ command: ['deaf'] });
  await until(() => client.said.length === 1, 'the command to start');
  const [exec] = h.sandboxes.parts.execs;
  const gate = Promise.withResolvers<void>();
  if (exec) exec.gate = gate.promise;
  const chunk = Buffer.alloc(65_536);
  const chunks = 512;
  for (let at = 0; at < chunks; at += 1) client.input(chunk);
  await until(() => client.socket.bufferedAmount > 0, 'the client to be held up');
  let before = -1;
  await until(async () => {
    const same = client.socket.bufferedAmount === before;
    before = client.socket.bufferedAmount;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return same;
  }, 'the client to stop sending');
  assert.ok(before > 8 * 1024 * 1024, `only ${before} bytes stayed with the client`);
  gate.resolve();
  await until(() => exec?.received === chunks * chunk.length, 'all input to arrive');
  client.socket.terminate();
});

test('first messages and commands that are not right are refused with a problem and closed for policy', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const firsts: [string, unknown][] = [
    ['exec', 'not an object'],
    ['exec', { command: [] }],
    ['exec', { command: ['cat'], stdin: 'aGk=' }],
    ['exec', { join: '../../etc' }],
    ['exec', { join: 'ex-aaaa', command: ['x'] }],
    ['terminal', { command: ['sh'] }],
    ['terminal', { cols: 0, rows: 24 }],
    ['terminal', JSON.parse('{"cols":80,"rows":24,"__proto__":{"user":"root"}}')],
  ];
  for (const [kind, first] of firsts) {
    const client = await new Client(h, `${path}/${kind}`).open();
    client.say(first);
    await client.end();
    assert.deepEqual([client.closed?.code, client.closed?.reason], [1008, 'invalid_request'], JSON.stringify(first));
  }
  assert.equal(h.sandboxes.parts.execs.length, 0);
  const later = await new Client(h, `${path}/exec`).open();
  later.say({ command: ['wait'] });
  await until(() => later.said.length === 1, 'the command to start');
  later.say({ type: 'signal', signal: 'rm' });
  await later.end();
  assert.equal(later.closed?.code, 1008);
  const odd = await new Client(h, `${path}/exec`).open();
  odd.say({ command: ['wait'] });
  odd.socket.send(Buffer.from([9, 9]));
  await odd.end();
  assert.equal(odd.closed?.code, 1008);
});

test('a message beyond the bound closes the connection with 1009', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const client = await new Client(h, `${path}/exec`).open();
  client.say({ command: ['cat'] });
  await until(() => client.said.length === 1, 'the command to start');
  client.input(Buffer.alloc(1_048_577));
  await client.end();
  assert.equal(client.closed?.code, 1009);
  await until(() => h.sandboxes.parts.execs[0]?.left === 1, 'the stream to be left');
});

test('upgrades pass the same checks as plain requests', async () => {
  const { h, id, path } = await withSandbox();
  await using _ = h;
  const stopped = h.sandboxes.put('alice', { state: 'stopped' }).id;
  const readOnly = h.keys.make('alice', ['sandboxes:read']);
  const cases: [string, string | null, { headers?: Record<string, string> }, number, string][] = [
    [`${path}/exec`, null, {}, 401, 'unauthorized'],
    [`${path}/exec`, 'arc_wrong', {}, 401, 'unauthorized'],
    [`${path}/exec?key=${h.alice}`, null, {}, 401, 'unauthorized'],
    [`${path}/exec`, readOnly, {}, 403, 'forbidden'],
    [`${path}/terminal`, readOnly, {}, 403, 'forbidden'],
    [`${path}/exec`, h.bob, {}, 404, 'sandbox_not_found'],
    [`${path}/logs`, h.bob, {}, 404, 'sandbox_not_found'],
    [`/v1/sandboxes/${stopped}/exec`, h.alice, {}, 409, 'wrong_state'],
    [`${path}/files`, h.alice, {}, 404, 'not_found'],
    ['/v1/nope', h.alice, {}, 404, 'not_found'],
    [`${path}/exec`, h.alice, { headers: { host: 'evil.example' } }, 421, 'unknown_host'],
    [`${path}/logs?since=-1`, h.alice, {}, 400, 'invalid_request'],
  ];
  for (const [at, key, options, status, code] of cases) {
    const client = new Client(h, at, key, options);
    await until(() => client.refused !== undefined, `${at} to be refused`);
    assert.deepEqual(client.refused, { status, code }, at);
    client.socket.terminate();
  }
  const byHeader = await new Client(h, `/v1/sandboxes/${id}/exec`, null, {
    headers: { authorization: `Bearer ${h.alice}` },
  }).open();
  byHeader.socket.terminate();
  h.readiness = { ready: false };
  const early = new Client(h, `${path}/exec`);
  await until(() => early.refused !== undefined, 'the early one to be refused');
  assert.equal(early.refused?.code, 'unavailable');
});

test('the journal over a WebSocket is one entry a message, resumed by its sequence number', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { journal } = h.sandboxes.parts;
  journal.add('one');
  journal.add('two');
  const client = await new Client(h, `${path}/logs?since=1`, h.keys.make('alice', ['sandboxes:read'])).open();
  await until(() => client.said.length === 1, 'the kept entry');
  journal.add(Buffer.from([0xff]), 'stderr');
  await until(() => client.said.length === 2, 'the new entry');
  assert.deepEqual(
    client.said.map(({ seq, data, encoding }) => [seq, data, encoding]),
    [
      [2, 'two', 'utf8'],
      [3, '/w==', 'base64'],
    ],
  );
  client.socket.terminate();
  await until(() => journal.readers === 0, 'the reader to be let go');
  const ending = await new Client(h, `${path}/logs`).open();
  journal.end();
  await ending.end();
  assert.equal(ending.closed?.code, 1000);
});
