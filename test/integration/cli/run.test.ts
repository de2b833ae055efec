import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Sink } from '../../../src/cli/testing/sink.ts';
import { type Harness, startApi, until } from '../api/harness.ts';
import { cli, startCli } from './harness.ts';

const left = (api: Harness) => [...api.sandboxes.records.values()].filter(({ state }) => state !== 'removed');
const forever = () => new Readable({ read() {} });

async function started(api: Harness) {
  await until(() => api.sandboxes.parts.execs.length > 0, 'the program');
  const program = api.sandboxes.parts.execs.at(-1);
  assert.ok(program);
  return program;
}

test('output and errors come apart, the exit code is the program’s, and nothing is left', async () => {
  await using api = await startApi();
  assert.deepEqual(await cli(api, ['run', 'whoami', '--', 'echo', 'hi', '--json']), {
    code: 0,
    out: 'hi --json\n',
    err: '',
  });
  assert.deepEqual(await cli(api, ['run', 'whoami', 'fail']), { code: 3, out: '', err: 'it failed\n' });
  assert.deepEqual(left(api), []);
});

test('what is piped in reaches the program, binary and large, and comes back whole', async () => {
  await using api = await startApi();
  const bytes = Buffer.alloc(3_000_000, 'a\u0000\u00ff', 'latin1');
  const run = startCli(api, ['run', 'whoami', '--', 'cat'], { stdin: Readable.from([bytes]) });
  assert.equal(await run.code, 0);
  assert.ok(run.stdout.bytes.equals(bytes));
});

test('options reach the sandbox and the program, each what is theirs', async () => {
  await using api = await startApi();
  const argv = 'run -e A=1 -e HOME -l team=red -m 64MiB --cpus 0.5 -u 1000 -w /tmp --timeout 5s whoami -- echo x'.split(
    ' ',
  );
  assert.equal((await cli(api, argv, { environment: { HOME: '/h' } })).code, 0);
  const { template, labels, memory, cpus, ttl, env } = api.sandboxes.creates[0]?.request ?? { template: '' };
  assert.deepEqual(
    { template, labels, memory, cpus, env },
    { template: 'whoami', labels: { team: 'red' }, memory: '64MiB', cpus: 0.5, env: undefined },
  );
  // A short lease: it goes by itself should this client be killed.
  assert.equal(ttl, '2m');
  const order = api.sandboxes.parts.execs[0]?.order;
  assert.deepEqual(order?.env, { A: '1', HOME: '/h' });
  assert.deepEqual([order?.user, order?.cwd, order?.timeoutMs], ['1000', '/tmp', 5_000]);
});

test('a signal that ends the program is 128 and its number, a time limit 124, a missing program 127, and why is said', async () => {
  await using api = await startApi();
  const killed = startCli(api, ['run', 'whoami', '--', 'wait'], { stdin: forever() });
  (await started(api)).end({ signal: 'SIGKILL' });
  assert.equal(await killed.code, 137);
  const slow = startCli(api, ['run', '--timeout', '1s', 'whoami', '--', 'wait'], { stdin: forever() });
  await until(() => api.sandboxes.parts.execs.length === 2, 'the program');
  (await started(api)).end({ signal: 'SIGKILL', timedOut: true });
  assert.equal(await slow.code, 124);
  assert.match(slow.stderr.text, /the time of --timeout is over/);
  const big = startCli(api, ['run', 'whoami', '--', 'wait'], { stdin: forever() });
  await until(() => api.sandboxes.parts.execs.length === 3, 'the program');
  (await started(api)).end({ signal: 'SIGKILL', oom: true });
  assert.equal(await big.code, 137);
  assert.match(big.stderr.text, /out of memory/);
  assert.equal((await cli(api, ['run', 'whoami', '--', 'missing'])).code, 127);
  assert.deepEqual(left(api), []);
});

test('an image that would end at once is kept by something that only stays, and its template is asked for first', async () => {
  await using api = await startApi();
  await cli(api, ['template', 'add', 'alpine', '--image', 'alpine:3']);
  assert.equal((await cli(api, ['run', 'alpine', '--', 'echo', 'x'])).code, 0);
  assert.deepEqual(api.sandboxes.creates[0]?.request.command, ['sleep', '2147483647']);
  const { code, err } = await cli(api, ['run', 'nowhere', '--', 'echo']);
  assert.equal(code, 125);
  assert.match(err, /template_not_found/);
  assert.equal(api.sandboxes.creates.length, 1);
});

test('Ctrl-C goes to the program first, and the sandbox is gone afterwards', async () => {
  await using api = await startApi();
  const run = startCli(api, ['run', 'whoami', '--', 'wait'], { stdin: forever() });
  const program = await started(api);
  run.signal('SIGINT');
  assert.equal(await run.code, 130);
  assert.deepEqual(program.signals, ['SIGINT']);
  assert.deepEqual(left(api), []);
});

test('a second Ctrl-C kills what ignores the first', async () => {
  await using api = await startApi();
  const run = startCli(api, ['run', 'whoami', '--', 'wait'], { stdin: forever() });
  const program = await started(api);
  program.signal = async (name) => {
    program.signals.push(name);
    if (name === 'SIGKILL') program.end({ signal: name });
  };
  run.signal('SIGTERM');
  await until(() => program.signals.length === 1, 'the first signal');
  run.signal('SIGTERM');
  assert.equal(await run.code, 137);
  assert.deepEqual(program.signals, ['SIGTERM', 'SIGKILL']);
  assert.deepEqual(left(api), []);
});

test('a signal while the sandbox is being made gives it up, and nothing is left', async () => {
  await using api = await startApi();
  api.sandboxes.hang = true;
  const run = startCli(api, ['run', 'whoami', '--', 'wait'], { stdin: forever() });
  await until(() => api.sandboxes.creates.length === 1, 'the create');
  run.signal('SIGINT');
  run.signal('SIGINT');
  assert.equal(await run.code, 130);
  await until(() => api.sandboxes.creates[0]?.options.signal.aborted === true, 'the server to see it given up');
  assert.deepEqual(left(api), []);
});

test('a start that takes longer than the server holds a create is waited for, and a signal ends the waiting', async () => {
  await using api = await startApi();
  const { sandboxes } = api;
  const [create, get] = [sandboxes.create.bind(sandboxes), sandboxes.get.bind(sandboxes)];
  sandboxes.create = async (caller, request, options) => await create(caller, request, { ...options, waitMs: 0 });
  let looks = 0;
  sandboxes.get = async (caller, id) => {
    looks += 1;
    return await get(caller, id);
  };
  const run = startCli(api, ['run', 'whoami', '--', 'echo', 'late']);
  await until(() => looks > 0, 'the first look at it');
  assert.equal(sandboxes.parts.execs.length, 0);
  const [queued] = left(api);
  assert.ok(queued);
  sandboxes.records.set(queued.id, { ...queued, state: 'running', placement: { node: 'a', address: '', runtime: '' } });
  assert.equal(await run.code, 0, run.stderr.text);
  assert.equal(run.stdout.text, 'late\n');

  looks = 0;
  const given = startCli(api, ['run', 'whoami', '--', 'echo', 'never']);
  await until(() => looks > 0, 'the first look at it');
  given.signal('SIGINT');
  assert.equal(await given.code, 130);
  assert.deepEqual(left(api), []);
});

test('when nobody reads the output any more, the run ends and the sandbox is gone', async () => {
  await using api = await startApi();
  const stdout = new Sink();
  const run = startCli(api, ['run', 'whoami', '--', 'flood'], { stdin: forever(), stdout });
  await until(() => stdout.bytes.length > 1_000_000, 'some output');
  stdout.close();
  assert.equal(await run.code, 141);
  assert.equal(run.stderr.text, '');
  assert.deepEqual(left(api), []);
});

test('a reader that is slow makes the program wait instead of filling our memory', async () => {
  await using api = await startApi();
  const gate = Promise.withResolvers<void>();
  const stdout = new Sink();
  const write = stdout.write.bind(stdout);
  let given = 0;
  stdout.write = (data, done) => {
    given += data.length;
    void gate.promise.then(() => write(data, done));
    return false;
  };
  const run = startCli(api, ['run', 'whoami', '--', 'flood'], { stdin: forever(), stdout });
  const program = await started(api);
  await until(() => program.produced > 500_000, 'some output');
  // It stands still: what it has produced doesn't grow any more, and is no more than the buffers on the way.
  let before = -1;
  await until(async () => {
    const still = program.produced === before;
    before = program.produced;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return still;
  }, 'the program to wait');
  assert.ok(given <= 65_536, `${given} bytes were given before the first was taken`);
  assert.ok(program.produced < 24_000_000, `${program.produced} bytes were produced`);
  run.signal('SIGINT');
  gate.resolve();
  await run.code;
});
