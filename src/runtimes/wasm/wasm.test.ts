import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WAIT } from '../../host/builtins/wait.ts';
import { chooseEngine } from './choose-engine.ts';
import { workerArgv } from './confine.ts';
import { decodeMessage, encodeMessage, messageLengths, PREFIX_BYTES } from './order.ts';

const none = () => false;
const host = { node: '/n/node', project: '/p', root: true } as const;
const jail = { bwrap: '/usr/bin/bwrap', filter: '/f', libraries: [['/lib/a', '/lib/a']] as const };
const shape = { engine: 'js', memoryBytes: 1024 * 1024, uid: 7 } as const;

test('a command is an engine, a wish to stay, or nothing that is to be had', () => {
  assert.deepEqual(chooseEngine(['/usr/bin/python3', 'a.py'], none), { engine: 'python' });
  assert.deepEqual(chooseEngine(['node'], none), { engine: 'js' });
  assert.deepEqual(chooseEngine(WAIT, none), { engine: 'stay' });
  assert.deepEqual(chooseEngine(['sleep', '2'], none), { engine: 'stay', ms: 2000 });
  assert.deepEqual(
    chooseEngine(['/app.wasm'], () => true),
    { engine: 'wasi' },
  );
  for (const command of [['/app.wasm'], ['/opt/python3'], ['bash'], ['constructor'], []]) {
    assert.equal(chooseEngine(command, none), undefined, command.join(' '));
  }
});

test('a message comes back as it was, and one that does not add up is refused', () => {
  const files = [{ path: 'a/b', dir: false, mode: 0o640, data: new Uint8Array([1, 2, 3]) }];
  const message = encodeMessage(files, { code: 4 });
  const { total, head } = messageLengths(message);
  assert.equal(total, message.length - PREFIX_BYTES);
  assert.deepEqual(decodeMessage(message.subarray(PREFIX_BYTES), head), { files, rest: { code: 4 } });
  assert.throws(() => decodeMessage(message.subarray(PREFIX_BYTES, -1), head));
});

test('a worker may read its engine and nothing else, starts no program and makes no code from text', () => {
  const argv = workerArgv({ ...host, jail }, shape);
  const readable = argv.filter((one) => one.startsWith('--allow-'));
  assert.ok(readable.length > 0 && readable.every((one) => one.startsWith('--allow-fs-read=/p/')), readable.join(' '));
  assert.ok(argv.includes('--permission') && argv.includes('--disallow-code-generation-from-strings'));
  for (const one of ['--unshare-net', '--unshare-pid', '--die-with-parent', '--clearenv', '--seccomp']) {
    assert.ok(argv.includes(one), one);
  }
  assert.equal(argv.at(argv.indexOf('--uid') + 1), '7');
});

test('a plain user has a user namespace, and is nobody else', () => {
  const argv = workerArgv({ ...host, root: false, jail }, shape);
  assert.ok(argv.includes('--unshare-user'));
  assert.ok(!argv.includes('--cap-add') && !argv.includes('--uid'));
});
