import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupPaths, hierarchies, hierarchyArgs } from './hierarchies.ts';

const mount = (path: string, type: string, options: string) =>
  `1 2 0:3 / ${path} rw shared:4 - ${type} ${type} ${options}\n`;
const V1 =
  mount('/cg/memory', 'cgroup', 'rw,memory') +
  mount('/cg/cpu', 'cgroup', 'rw,cpu,cpuacct') +
  mount('/again', 'cgroup', 'rw,cpu') +
  mount('/cg/pids', 'cgroup', 'rw,pids') +
  mount('/cg/systemd', 'cgroup', 'rw,name=systemd');

test('v1: each controller is used where it is mounted first', () => {
  const found = hierarchies(V1);
  assert.deepEqual(hierarchyArgs(found), ['version=1', 'memory=/cg/memory', 'cpu,cpuacct=/cg/cpu', 'pids=/cg/pids']);
  const paths = {
    memory: '/cg/memory/arc/sb-1',
    cpu: '/cg/cpu/arc/sb-1',
    cpuacct: '/cg/cpu/arc/sb-1',
    pids: '/cg/pids/arc/sb-1',
    version: 1,
  };
  assert.deepEqual(groupPaths(found, 'arc', 'sb-1'), paths);
});

test('v2 holds all of them in one folder', () => {
  const found = hierarchies(mount('/sys/fs/cgroup', 'cgroup2', 'rw'));
  assert.deepEqual(hierarchyArgs(found), ['version=2', 'unified=/sys/fs/cgroup']);
  const path = '/sys/fs/cgroup/arc/sb-1';
  assert.deepEqual(groupPaths(found, 'arc', 'sb-1'), {
    memory: path,
    cpu: path,
    cpuacct: path,
    pids: path,
    version: 2,
  });
});

test('hybrid: v1 has the controllers, and the v2 half is opened first and then hidden from runtimes', () => {
  const args = hierarchyArgs(hierarchies(V1 + mount('/cg/unified', 'cgroup2', 'rw')));
  assert.deepEqual([args[0], ...args.slice(-2)], ['version=1', 'unified=/cg/unified', 'hide=/cg/unified']);
});
