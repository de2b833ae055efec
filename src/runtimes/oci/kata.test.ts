import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { ociConfig } from './config.ts';
import { kata } from './kata.ts';
import { startProcess } from './process.ts';
import { sandboxFolder } from './sandbox-folder.ts';

const MIB = 1024 * 1024;
const limits = {
  memoryBytes: 128 * MIB,
  cpus: 0.5,
  pids: 64,
  openFiles: 256,
  diskBytes: MIB,
  diskKind: 'memory',
} as const;
const spec = { command: ['/bin/serve'], env: {}, cwd: '/', capabilities: [], limits } as unknown as ResolvedSpec;
const user = { uid: 0, gid: 0, groups: [], home: '/root' };
const folder = sandboxFolder('/data/sandboxes', 'sb-a');

function document() {
  const config = ociConfig({
    ...{
      id: 'sb-a',
      process: startProcess(spec, user, { openFilesMax: 1024 }),
      rootMount: '/run/root',
      joins: 'paths',
    },
    ...{ ids: { hostBase: 100_000, count: 65_536 }, memoryBytes: limits.memoryBytes },
  });
  const root = { kind: 'builtin', name: 'shell' } as const;
  return JSON.parse(kata.documents?.start(config, { program: '/usr/bin/kata-runtime', folder, root, limits }) ?? '{}');
}

test('the machine has the size that was asked for, and the sandbox its own network namespace', () => {
  const { linux } = document();
  assert.deepEqual(linux.resources, {
    memory: { limit: 128 * MIB },
    cpu: { quota: 50_000, period: 100_000 },
    pids: { limit: 64 },
  });
  const network = linux.namespaces.find(({ type }: { type: string }) => type === 'network');
  assert.match(network.path, /\/ns\/net|fd\//);
});

test('a user namespace is not asked for: the machine has its own users, and Kata knows none of the host', () => {
  const { linux } = document();
  assert.ok(!linux.namespaces.some(({ type }: { type: string }) => type === 'user'));
  assert.deepEqual([linux.uidMappings, linux.gidMappings], [undefined, undefined]);
});

test('a program in it has no capability and can gain none, as at any other level', () => {
  const { process } = document();
  assert.equal(process.noNewPrivileges, true);
  assert.deepEqual(process.capabilities.bounding, []);
});

test('start, command, signal and list are the OCI commands, with the state in the folder of the sandbox', () => {
  const program = '/usr/bin/kata-runtime';
  const run = kata.run(program, folder, 'sb-a');
  assert.deepEqual(run.slice(0, 4), [program, '--root', folder.runtime, 'run']);
  assert.ok(run.includes('--detach') && run.at(-1) === 'sb-a');
  const files = { process: '/p.json', pidFile: '/p.pid', console: '/p.sock' };
  const exec = kata.exec(program, folder, 'sb-a', files).join(' ');
  assert.match(exec, /exec --detach --pid-file \/p\.pid --console-socket \/p\.sock --process \/p\.json sb-a$/);
  assert.match(kata.asked?.kill(program, folder, 'sb-a', 'TERM').join(' ') ?? '', /kill sb-a TERM$/);
  assert.match(kata.guest?.state(program, folder, 'sb-a').join(' ') ?? '', /state sb-a$/);
});

test('without KVM it is not even tried, and what would bring it is said', () => {
  assert.equal(kata.needs?.path, '/dev/kvm');
  assert.match(kata.needs?.why ?? '', /virtualisation/);
});
