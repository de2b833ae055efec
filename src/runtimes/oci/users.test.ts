import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import { lookUp, resolveUser, Users } from './users.ts';

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\nbad:x:99999999:0::/:/\n';
const GROUPS = 'root:x:0:\nwww:x:34:\nssl:x:101:web,other\nlogs:x:102:web\n';

test('a name gives its uid, group, further groups and home', () => {
  assert.deepEqual(lookUp('web', undefined, PASSWD, GROUPS), {
    uid: 33,
    gid: 34,
    groups: [101, 102],
    home: '/var/www',
  });
});

test('a number without an entry is taken as it is, with group 0', () => {
  assert.deepEqual(lookUp('1000', undefined, PASSWD, GROUPS), { uid: 1000, gid: 0, groups: [], home: '/' });
});

test('a number with an entry has the group of its entry', () => {
  assert.equal(lookUp('33', undefined, PASSWD, GROUPS).gid, 34);
});

test('a group that is named leaves out the further groups', () => {
  assert.deepEqual(lookUp('web', 'ssl', PASSWD, GROUPS), { uid: 33, gid: 101, groups: [], home: '/var/www' });
  assert.equal(lookUp('1', '7', PASSWD, GROUPS).gid, 7);
});

test('unknown names and ids beyond the mapped ones are refused', () => {
  for (const [user, group] of [
    ['nobody', undefined],
    ['web', 'nogroup'],
    ['70000', undefined],
    ['bad', undefined],
    ['0', '65536'],
  ] as const) {
    assert.throws(
      () => lookUp(user, group, PASSWD, GROUPS),
      (error) => error instanceof ArcError && error.code === 'start_failed',
    );
  }
});

test('the topmost layer that has the file decides, and a removed file is removed', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-users-'));
  t.after(() => rm(dir, { recursive: true }));
  const layers = ['low', 'middle', 'top'].map((name) => join(dir, name));
  const [low = '', middle = '', top = ''] = layers;
  for (const layer of layers) await mkdir(join(layer, 'etc'), { recursive: true });
  await writeFile(join(low, 'etc/passwd'), 'app:x:5:5::/:/\n');
  await writeFile(join(middle, 'etc/passwd'), 'app:x:6:6::/:/\n');
  assert.equal((await resolveUser('app', layers)).uid, 6);
  await mkdir(join(top, 'etc/passwd'));
  await assert.rejects(resolveUser('app', layers));
});

test('no link is followed out of a layer', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-users-'));
  t.after(() => rm(dir, { recursive: true }));
  await mkdir(join(dir, 'outside'));
  await writeFile(join(dir, 'outside/passwd'), 'secret:x:7:7::/:/\n');
  await mkdir(join(dir, 'one/etc'), { recursive: true });
  await symlink('../../outside/passwd', join(dir, 'one/etc/passwd'));
  await mkdir(join(dir, 'two'));
  await symlink('../outside', join(dir, 'two/etc'));
  await assert.rejects(resolveUser('secret', [join(dir, 'one')]));
  await assert.rejects(resolveUser('secret', [join(dir, 'two')]));
});

test('an answer is remembered for its layers, and a failure is not', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-users-'));
  t.after(() => rm(dir, { recursive: true }));
  const users = new Users();
  await assert.rejects(users.resolve('web', [dir]), /is not in the root/);
  await mkdir(join(dir, 'etc'));
  await writeFile(join(dir, 'etc/passwd'), PASSWD);
  assert.equal((await users.resolve('web', [dir])).uid, 33);
  await rm(join(dir, 'etc/passwd'));
  assert.equal((await users.resolve('web', [dir])).uid, 33);
});
