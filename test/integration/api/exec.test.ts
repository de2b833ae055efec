import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Harness, startApi, until } from './harness.ts';

async function withSandbox(): Promise<{ h: Harness; path: string }> {
  const h = await startApi();
  return { h, path: `/v1/sandboxes/${h.sandboxes.put('alice').id}` };
}

async function run(h: Harness, path: string, json: unknown): Promise<Record<string, unknown>> {
  const response = await h.call('POST', `${path}/exec`, { json });
  assert.equal(response.status, 200);
  return (await response.json()) as Record<string, unknown>;
}

test('exec gives both streams apart and the exit code', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const echo = await run(h, path, { command: ['echo', 'hi', 'you'] });
  assert.deepEqual([echo.code, echo.stdout, echo.stderr, echo.encoding], [0, 'hi you\n', '', 'utf8']);
  const fail = await run(h, path, { command: ['fail'] });
  assert.deepEqual([fail.code, fail.stdout, fail.stderr], [3, '', 'it failed\n']);
  assert.equal(
    h.sandboxes.parts.execs.every((exec) => exec.left === 1),
    true,
    'every stream was left',
  );
});

test('exec hands on input, environment, folder, user and timeout', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const stdin = Buffer.from('böse Wörter').toString('base64');
  const cat = await run(h, path, {
    command: ['cat'],
    stdin,
    env: { A: '1' },
    cwd: '/work',
    user: 'nobody',
    timeout: '5s',
  });
  assert.equal(cat.stdout, 'böse Wörter');
  const { command: _c, ...order } = h.sandboxes.parts.execs[0]?.order ?? { command: [] };
  assert.deepEqual(order, { env: { A: '1' }, cwd: '/work', user: 'nobody', timeoutMs: 5_000 });
});

test('output that is not text is base64, and output beyond the bound is cut and said to be', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const bytes = await run(h, path, { command: ['bytes'] });
  assert.deepEqual([bytes.encoding, bytes.stdout], ['base64', Buffer.from([0xff, 0xfe, 0]).toString('base64')]);
  const big = await run(h, path, { command: ['big', '3000000'] });
  assert.deepEqual([String(big.stdout).length, big.truncated], [1_048_576, true]);
});

test('a command that is not there, bad base64 and a sandbox that does not run are refused', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const code = async (json: unknown, at = path) =>
    ((await (await h.call('POST', `${at}/exec`, { json })).json()) as { code: string }).code;
  assert.equal(await code({ command: ['missing'] }), 'command_not_found');
  assert.equal(await code({ command: ['cat'], stdin: '!!!' }), 'invalid_request');
  assert.equal(await code({ command: [] }), 'invalid_request');
  assert.equal(await code({ command: ['a'], tty: true }), 'invalid_request');
  const { id } = h.sandboxes.put('alice', { state: 'stopped', reason: 'exit' });
  assert.equal(await code({ command: ['echo'] }, `/v1/sandboxes/${id}`), 'wrong_state');
});

test('asked for lines, exec streams its output as it comes and ends with the exit', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const response = await h.call('POST', `${path}/exec`, {
    json: { command: ['wait'] },
    headers: { accept: 'application/x-ndjson' },
  });
  assert.equal(response.headers.get('content-type'), 'application/x-ndjson');
  const [exec] = h.sandboxes.parts.execs;
  const euro = Buffer.from('€');
  // A character in two chunks is put together again.
  exec?.emit('stdout', euro.subarray(0, 1));
  exec?.emit('stdout', euro.subarray(1));
  exec?.emit('stderr', Buffer.from([0xff]));
  exec?.end({ code: 7 });
  const lines = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(lines.slice(0, 2), [
    { stream: 'stdout', data: '€', encoding: 'utf8' },
    { stream: 'stderr', data: '/w==', encoding: 'base64' },
  ]);
  assert.deepEqual([(lines[2] as { exit: { code: number } }).exit.code, lines.length], [7, 3]);
});

for (const accept of ['application/json', 'application/x-ndjson']) {
  test(`a client that goes away in the middle of an exec (${accept}) takes its command with it`, async () => {
    const { h, path } = await withSandbox();
    await using _ = h;
    const gone = new AbortController();
    const asking = h.call('POST', `${path}/exec`, {
      json: { command: ['wait'] },
      headers: { accept },
      signal: gone.signal,
    });
    asking.catch(() => {});
    await until(() => h.sandboxes.parts.execs.length === 1, 'the command to start');
    gone.abort();
    const [exec] = h.sandboxes.parts.execs;
    await until(() => exec?.left === 1, 'the stream to be left');
    assert.deepEqual(exec?.signals, ['SIGKILL']);
    assert.deepEqual(h.logged, []);
  });
}

test('a reader who does not read holds up the program and fills no memory', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const gone = new AbortController();
  const response = await h.call('POST', `${path}/exec`, {
    json: { command: ['flood'] },
    headers: { accept: 'application/x-ndjson' },
    signal: gone.signal,
  });
  const [exec] = h.sandboxes.parts.execs;
  let before = -1;
  await until(async () => {
    const same = exec?.produced === before;
    before = exec?.produced ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return same && before > 0;
  }, 'the flood to be held up');
  assert.ok(before < 64 * 1024 * 1024, `${before} bytes were read ahead`);
  gone.abort();
  await until(() => exec?.left === 1, 'the stream to be left');
  assert.equal(response.status, 200);
});

test('commands are listed and signalled by their id', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const asking = h.call('POST', `${path}/exec`, { json: { command: ['wait'] } });
  await until(() => h.sandboxes.parts.execs.length === 1, 'the command to start');
  const list = (await (await h.call('GET', `${path}/execs`)).json()) as { items: { id: string; exit?: unknown }[] };
  const id = list.items[0]?.id ?? '';
  assert.match(id, /^ex-[a-z2-7]{16}$/);
  assert.equal(list.items[0]?.exit, undefined);
  assert.equal((await h.call('POST', `${path}/execs/${id}/signal`, { json: { signal: 'SIGTERM' } })).status, 204);
  assert.equal(((await (await asking).json()) as { signal: string }).signal, 'SIGTERM');
  const code = async (exec: string, signal: string) =>
    ((await (await h.call('POST', `${path}/execs/${exec}/signal`, { json: { signal } })).json()) as { code: string })
      .code;
  assert.equal(await code('ex-zzzz', 'SIGTERM'), 'exec_not_found');
  assert.equal(await code('..', 'SIGTERM'), 'not_found');
  assert.equal(await code(id, 'rm -rf'), 'invalid_request');
});
