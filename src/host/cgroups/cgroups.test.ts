import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupKind } from './kind.ts';
import { processList } from './processes.ts';
import { readPids, readUsage } from './usage.ts';

const line = (type: string, options: string) => `1 2 0:3 / /sys/fs/cgroup rw - ${type} ${type} ${options}\n`;

test('the kind of cgroups is read from the mount table', () => {
  assert.equal(cgroupKind(line('cgroup2', 'rw')), 'v2');
  assert.equal(cgroupKind(line('cgroup', 'rw,memory') + line('cgroup', 'rw,cpu,cpuacct')), 'v1');
  assert.equal(cgroupKind(line('cgroup', 'rw,memory') + line('cgroup2', 'rw')), 'hybrid');
  assert.equal(cgroupKind(line('cgroup', 'rw,name=systemd') + line('cgroup2', 'rw')), 'v2');
  assert.equal(cgroupKind(line('tmpfs', 'rw')), 'none');
});

test('both versions of the files say the same, without what the page cache holds', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-cgroup-'));
  t.after(() => rm(dir, { recursive: true }));
  const files: Record<string, string> = {
    'cpu.stat': 'usage_usec 2500\nuser_usec 2000\n',
    'memory.current': '9000\n',
    'memory.stat': 'cache 5\ninactive_file 1000\ntotal_inactive_file 1000\n',
    'pids.current': '3\n',
    'cpuacct.usage': '2500000\n',
    'memory.usage_in_bytes': '9000\n',
    'cgroup.procs': '11\n12\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  const wanted = { cpuMs: 2.5, memoryBytes: 8000, pids: 3 };
  for (const version of [1, 2] as const) {
    const paths = { memory: dir, cpu: dir, cpuacct: dir, pids: dir, version };
    assert.deepEqual(await readUsage(paths), wanted);
    assert.deepEqual(await readPids(paths), [11, 12]);
  }
  const gone = { memory: '/nowhere', cpu: '/nowhere', cpuacct: '/nowhere', pids: '/nowhere', version: 2 as const };
  assert.deepEqual(await readUsage(gone), { cpuMs: 0, memoryBytes: 0, pids: 0 });
});

test('processes have the pids, parents and uids of the inside, and who ends meanwhile is left out', async () => {
  const status = (name: string, nspid: string, ppid: number, uid: number) =>
    `Name:\t${name}\nState:\tS (sleeping)\nPPid:\t${ppid}\nUid:\t${uid}\t${uid}\nNSpid:\t${nspid}\nVmRSS:\t      12 kB\n`;
  const all: Record<string, string> = {
    '500 status': status('sh', '500\t1', 9, 70_000),
    '500 cmdline': '/bin/sh\0-c\0x\0',
    '501 status': status('kworker', '501\t4', 500, 70_033),
    '501 cmdline': '',
  };
  const read = async (pid: number, file: string) => {
    const text = all[`${pid} ${file}`];
    if (text === undefined) throw new Error('gone');
    return text;
  };
  assert.deepEqual(await processList([501, 500, 502], 70_000, read), [
    { pid: 1, ppid: 0, uid: 0, state: 'S', rssBytes: 12_288, command: '/bin/sh -c x' },
    { pid: 4, ppid: 1, uid: 33, state: 'S', rssBytes: 12_288, command: '[kworker]' },
  ]);
});
