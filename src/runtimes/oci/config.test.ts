import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { ociConfig } from './config.ts';
import { hosts, resolvConf } from './names.ts';
import { capabilitySets, execProcess, startProcess } from './process.ts';
import { seccompFor } from './seccomp.ts';

const root = { uid: 0, gid: 0, groups: [], home: '/root' };
const web = { uid: 33, gid: 33, groups: [4], home: '/srv' };
const spec = {
  command: ['serve', '--port', '80'],
  env: { MODE: 'test' },
  cwd: '/srv',
  capabilities: ['SETUID'],
  limits: { openFiles: 4096, memoryBytes: 16 << 20 },
} as unknown as ResolvedSpec;
const limits = { openFilesMax: 1024 };

const config = (joins: 'paths' | 'entered') =>
  ociConfig({
    id: 'sb-abcd',
    process: startProcess(spec, root, limits),
    rootMount: '/run/root',
    joins,
    ids: { hostBase: 1000, count: 65_536 },
    memoryBytes: 16 << 20,
    seccomp: seccompFor('x64', []),
  });

test('user and network namespaces are joined by path, all others are made', () => {
  const { namespaces } = config('paths').linux;
  assert.deepEqual(
    namespaces.filter((ns) => ns.path !== undefined).map((ns) => ns.type),
    ['user', 'network'],
  );
  assert.deepEqual(
    namespaces.filter((ns) => ns.path === undefined).map((ns) => ns.type),
    ['mount', 'pid', 'ipc', 'uts', 'cgroup'],
  );
});

test('a runtime that is started inside the namespaces is not told of them again', () => {
  const { linux } = config('entered');
  assert.ok(linux.namespaces.every((ns) => ns.type !== 'user' && ns.type !== 'network'));
  assert.equal(linux.uidMappings, undefined);
});

test('nothing of the host and no cgroup hierarchy is mounted', () => {
  for (const mount of config('paths').mounts) {
    assert.ok(!mount.options.includes('bind') && !mount.type.startsWith('cgroup'), mount.destination);
    assert.ok(mount.options.includes('nosuid') && mount.options.includes('noexec'), mount.destination);
  }
});

test('shared memory is at most half of the memory limit', () => {
  const shm = config('paths').mounts.find((mount) => mount.destination === '/dev/shm');
  assert.ok(shm?.options.includes(`size=${8 << 20}`));
});

test('exec is confined exactly as create is', () => {
  const one = startProcess(spec, web, limits);
  const other = execProcess(spec, { command: ['sh'], env: {} }, web, limits);
  for (const key of ['capabilities', 'noNewPrivileges', 'rlimits', 'oomScoreAdj'] as const) {
    assert.deepEqual(other[key], one[key]);
  }
});

test('root has no inheritable and no ambient capabilities, another user keeps its own by them', () => {
  const held = ['CAP_SETUID'];
  assert.deepEqual(capabilitySets(['SETUID'], 0), {
    bounding: held,
    effective: held,
    permitted: held,
    inheritable: [],
    ambient: [],
  });
  assert.deepEqual(capabilitySets(['SETUID'], 5).ambient, held);
  assert.deepEqual(capabilitySets([], 5), { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] });
});

test('the environment is built from nothing: path, home, template, request, each over the one before', () => {
  const { env } = execProcess(
    spec,
    { command: ['sh'], env: { MODE: 'mine' }, tty: { cols: 80, rows: 24 } },
    web,
    limits,
  );
  assert.deepEqual(env.slice(1), ['HOME=/srv', 'TERM=xterm-256color', 'MODE=mine']);
  assert.match(env[0] ?? '', /^PATH=\//);
});

test('open files stay below what the machine gives', () => {
  const nofile = startProcess(spec, root, limits).rlimits.find((limit) => limit.type === 'RLIMIT_NOFILE');
  assert.deepEqual(nofile, { type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 });
});

test('a terminal has its size from the start', () => {
  const process = execProcess(spec, { command: ['sh'], env: {}, tty: { cols: 100, rows: 30 } }, root, limits);
  assert.deepEqual(process.consoleSize, { width: 100, height: 30 });
  assert.equal(process.terminal, true);
});

test('hosts names the sandbox, and a sandbox without a network has no name server', () => {
  const names = { id: 'sb-abcd', address: '10.199.0.7', resolvers: [], holdTmp: false };
  assert.match(hosts(names), /^10\.199\.0\.7\tsb-abcd$/m);
  assert.doesNotMatch(resolvConf([]), /nameserver/);
  assert.match(resolvConf(['1.1.1.1']), /^nameserver 1\.1\.1\.1$/m);
});
