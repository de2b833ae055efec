import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupMounts } from './remove-roots.ts';

test('the mount points of both kinds of cgroups are found, and no other', () => {
  const mountinfo = [
    '25 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
    '26 25 0:23 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids',
    '27 25 0:24 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw',
    '',
  ].join('\n');
  assert.deepEqual(cgroupMounts(mountinfo), ['/sys/fs/cgroup/pids', '/sys/fs/cgroup/unified']);
});
