import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi, until } from '../api/harness.ts';
import { cli, startPty } from './harness.ts';

const SIGTERM = 15;

test('a terminal takes every key as it is, follows the size of the window and is given back at the end', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  await using pty = startPty(api, ['exec', '-it', id, '--', 'vi', 'file']);
  const exec = async () => {
    await until(() => api.sandboxes.parts.execs.length === 1, 'the program');
    return api.sandboxes.parts.execs[0];
  };
  const program = await exec();
  assert.ok(program);
  await until(() => program.sizes.length > 0, 'the first size');
  assert.deepEqual(program.order.tty, { cols: 80, rows: 24 });
  assert.equal(program.order.env.TERM, 'xterm-test');
  assert.deepEqual(program.order.command, ['vi', 'file']);
  // The fake program echoes: Ctrl-C, Ctrl-D, Ctrl-Z, escape and a letter beyond ASCII come back untouched.
  pty.send('\u0003\u0004\u001a\u001b[Aü\r');
  await until(() => pty.shown().includes('\u0003\u0004\u001a\u001b[A\u00c3\u00bc\r'), 'the echo');
  pty.resize(132, 43);
  await until(() => program.sizes.at(-1) === '132x43', 'the new size');
  program.end({ code: 5 });
  assert.deepEqual(await pty.ended, { code: 5, restored: true });
  assert.deepEqual(program.signals, []);
});

test('a full-screen program that is cut off by the loss of the server leaves a usable terminal and a way back', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  await using pty = startPty(api, ['exec', '-it', id]);
  await until(() => api.sandboxes.parts.execs.length === 1, 'the program');
  const [program] = api.sandboxes.parts.execs;
  assert.ok(program);
  program.emit('stdout', Buffer.from('\u001b[?1049h\u001b[?25lfull screen'));
  await until(() => pty.shown().includes('full screen'), 'its screen');
  await api.api.close();
  const end = await pty.ended;
  assert.equal(end.restored, true);
  assert.equal(end.code, 69);
  assert.ok(pty.shown().includes('\u001b[?1049l\u001b[?25h'), pty.shown());
  assert.match(pty.shown(), new RegExp(`exec .*--join ${program.id}`));
  assert.deepEqual(program.signals, []);
});

test('a terminal that is hung up or told to go is given back, and the program goes on', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  for (const way of ['term', 'hangup'] as const) {
    await using pty = startPty(api, ['exec', '-it', id]);
    const count = api.sandboxes.parts.execs.length;
    await until(() => api.sandboxes.parts.execs.length === count + 1, 'the program');
    const program = api.sandboxes.parts.execs.at(-1);
    assert.ok(program);
    await until(() => program.sizes.length > 0, 'the first size');
    if (way === 'term') pty.signal(SIGTERM);
    else pty.hangUp();
    const end = await pty.ended;
    assert.equal(end.restored, true, way);
    assert.equal(end.code, way === 'term' ? 143 : 129);
    await until(() => program.left === 1, 'the server to see it leave');
    assert.equal(program.ended, undefined);
  }
});

test('a terminal can be joined again by its id', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  await using first = startPty(api, ['exec', '-it', id]);
  await until(() => api.sandboxes.parts.execs.length === 1, 'the program');
  const [program] = api.sandboxes.parts.execs;
  assert.ok(program);
  first.signal(SIGTERM);
  await first.ended;
  await using second = startPty(api, ['exec', '-it', '--join', program.id, id]);
  await until(() => program.joined === 2, 'the join');
  second.send('again');
  await until(() => second.shown().includes('again'), 'the echo');
  program.end({ code: 0 });
  assert.deepEqual(await second.ended, { code: 0, restored: true });
});

test('Ctrl-C without a terminal goes to the program, and our exit code is what became of it', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  await using pty = startPty(api, ['exec', id, '--', 'wait']);
  await until(() => api.sandboxes.parts.execs.length === 1, 'the program');
  pty.send('\u0003');
  assert.equal((await pty.ended).code, 130);
  assert.deepEqual(api.sandboxes.parts.execs[0]?.signals, ['SIGINT']);
});

test('-t without a terminal is refused', async () => {
  await using api = await startApi();
  const { code, err } = await cli(api, ['exec', '-it', 'sb-aaaa']);
  assert.equal(code, 2);
  assert.match(err, /the input is not a terminal/);
});
