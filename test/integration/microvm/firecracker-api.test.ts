import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArcError } from '../../../src/contract/errors.ts';
import { firecrackerLacks } from '../../../src/engines/local/machines.ts';
import { realClock } from '../../../src/kit/real.ts';
import { FirecrackerApi } from '../../../src/runtimes/microvm/firecracker/api.ts';
import { beginCalls, type Call, saveCalls } from '../../../src/runtimes/microvm/firecracker/calls.ts';
import { firecracker } from '../../../src/runtimes/microvm/firecracker/firecracker.ts';
import type { Machine } from '../../../src/runtimes/microvm/monitor.ts';
import { type Configured, FirecrackerRules } from './firecracker/rules.ts';
import { serveRules } from './firecracker/server.ts';

/** Our client and our words against a server that holds to the published description and lets nothing pass beside it. */
const MIB = 1024 * 1024;
const MACHINE: Machine = {
  ...{ memoryBytes: 160 * MIB, cpus: 3, mac: '02:61:72:01:00:05', mtu: 1500, purpose: 'boot', diskBytes: 64 * MIB },
};
const signal = () => AbortSignal.timeout(10_000);

async function server() {
  const dir = await mkdtemp(join(tmpdir(), 'arc-firecracker-'));
  const [heard, done]: [string[], string[]] = [[], []];
  let started: Configured | undefined;
  const note = (what: string) => async () => {
    done.push(what);
  };
  const rules = new FirecrackerRules({
    ...{ pause: note('pause'), resume: note('resume'), save: note('save') },
    start: async (configured) => {
      started = configured;
      done.push('start');
    },
    load: async () => {
      done.push('load');
      return { drives: [], interfaces: [] };
    },
  });
  const path = join(dir, 'control');
  const http = await serveRules(rules, path, (line) => heard.push(line));
  return {
    ...{ heard, done, rules, dir, api: new FirecrackerApi(path, realClock), started: () => started },
    [Symbol.asyncDispose]: async () => {
      http.close();
      await rm(dir, { recursive: true });
    },
  };
}

const call = (method: Call['method'], path: string, body: Record<string, unknown>): Call => ({ method, path, body });
const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof ArcError && error.code === 'start_failed' && pattern.test(error.message);

test('a machine is configured and started by calls that the description allows, in an order that it allows', async () => {
  await using at = await server();
  await at.api.ready(signal());
  await at.api.all(beginCalls(MACHINE), signal());
  assert.deepEqual(at.done, ['start']);
  assert.equal(at.rules.state, 'Running');
  const { machine, boot, drives = [], interfaces = [], vsock } = at.started() ?? {};
  assert.deepEqual([machine?.mem_size_mib, machine?.vcpu_count], [160, 4]);
  assert.match(String(boot?.boot_args), /arc\.channel=vsock/);
  // Inside they are /dev/vda, vdb and vdc, by their order.
  assert.deepEqual(
    drives.map(({ drive_id, is_read_only }) => [drive_id, is_read_only]),
    [
      ['root', true],
      ['exit', false],
      ['disk', false],
    ],
  );
  assert.equal(interfaces[0]?.guest_mac, MACHINE.mac);
  assert.equal(vsock?.guest_cid, 3);
});

test('without a disk of its own a machine has two, and one processor stays one', async () => {
  await using at = await server();
  const { diskBytes: _none, ...diskless } = MACHINE;
  await at.api.all(beginCalls({ ...diskless, cpus: 1 }), signal());
  assert.equal(at.started()?.drives.length, 2);
  assert.equal(at.started()?.machine?.vcpu_count, 1);
});

test('a machine is saved while it stands still, and another process begins as it', async () => {
  await using at = await server();
  await at.api.all([...beginCalls(MACHINE), ...saveCalls()], signal());
  assert.deepEqual(at.done, ['start', 'pause', 'save']);
  await using next = await server();
  await next.api.all(beginCalls({ ...MACHINE, purpose: 'load' }), signal());
  assert.deepEqual(next.done, ['load', 'resume']);
  assert.deepEqual(next.heard, ['PUT /snapshot/load']);
});

test('what the monitor refuses is told in its own words', async () => {
  await using at = await server();
  const start = call('PUT', '/actions', { action_type: 'InstanceStart' });
  await assert.rejects(at.api.call(start, signal()), refused(/without kernel configuration/));
  await at.api.all(beginCalls(MACHINE), signal());
  await assert.rejects(at.api.all(beginCalls(MACHINE), signal()), refused(/not supported after starting/));
  await assert.rejects(at.api.ready(signal()), refused(/begun by somebody else/));
});

test('the server is strict: fields, states and orders that the description does not allow are refused', async () => {
  const wrong: readonly [before: readonly Call[], Call, RegExp][] = [
    [[], call('PUT', '/machine-config', { vcpu_count: 1 }), /missing field `mem_size_mib`/],
    [[], call('PUT', '/machine-config', { vcpu_count: 33, mem_size_mib: 128 }), /invalid value for `vcpu_count`/],
    [[], call('PUT', '/machine-config', { vcpu_count: 3, mem_size_mib: 128, smt: true }), /even/],
    [[], call('PUT', '/vsock', { guest_cid: 2, uds_path: '/v' }), /invalid value for `guest_cid`/],
    [[], call('PUT', '/entropy', { source: '/dev/random' }), /unknown field `source`/],
    [[], call('PUT', '/drives/a', { drive_id: 'b', is_root_device: false }), /does not match/],
    [[], call('PUT', '/drives/a', { drive_id: 'a', is_root_device: false }), /invalid config/],
    [[], call('PUT', '/snapshot/load', { snapshot_path: '/s' }), /Exactly one of/],
    [[], call('PATCH', '/vm', { state: 'Paused' }), /before starting/],
    [[], saveCalls()[1] as Call, /before starting/],
    [[], call('PUT', '/nothing', {}), /Invalid request method/],
    [beginCalls(MACHINE), saveCalls()[1] as Call, /not paused/],
    [beginCalls(MACHINE), call('PUT', '/entropy', {}), /after starting/],
    [beginCalls(MACHINE).slice(0, 1), beginCalls({ ...MACHINE, purpose: 'load' })[0] as Call, /not allowed after/],
  ];
  for (const [before, one, why] of wrong) {
    await using at = await server();
    await at.api.all(before, signal());
    await assert.rejects(at.api.call(one, signal()), refused(why), `${one.method} ${one.path}`);
  }
});

test('the jailer gives the machine a root, a user and a process namespace of its own, and nothing of the host', () => {
  const kit = {
    id: 'k',
    version: '6',
    kernel: '/kit/vmlinux',
    initrd: '/kit/initrd',
    tun: '/kit/tun',
    kvm: '/kit/kvm',
  };
  const files = {
    kit,
    root: '/roots/a',
    disk: '/sb/disk.img',
    state: '/sb/state',
    tap: '/sb/state/tap',
    owner: 70_000,
  };
  const programs = { program: '/opt/firecracker-v1', jailer: '/opt/jailer', setpriv: '/bin/setpriv' };
  const monitor = firecracker({ ...programs, unshare: '/bin/unshare', clock: realClock });
  const { argv, pidFile, follow } = monitor.launch(MACHINE, files);
  const jailer = argv.slice(argv.indexOf('/opt/jailer'));
  const after = (flag: string) => jailer[jailer.indexOf(flag) + 1];
  assert.deepEqual([after('--uid'), after('--gid'), after('--exec-file')], ['70000', '70000', '/opt/firecracker-v1']);
  assert.ok(jailer.includes('--new-pid-ns'));
  assert.equal(after('--api-sock'), '/run/arc/control');
  assert.deepEqual([pidFile, follow], ['state/firecracker-v1/vm/root/firecracker-v1.pid', 'pid-file']);
  const held = argv.slice(argv.indexOf('/kit/vmlinux'), argv.indexOf('--'));
  assert.deepEqual(
    held.filter((_, index) => index % 2 === 1),
    ['/machine/kernel', '/machine/initrd', '/machine/root', '/machine/disk'],
  );
  const load = monitor.launch({ ...MACHINE, purpose: 'load' }, { ...files, saved: '/saved/x.machine' }).argv;
  assert.ok(load.join(' ').includes('/saved/x.machine /machine/saved /saved/x.memory /machine/memory'));
  const alone = monitor.alone({ ...MACHINE, purpose: 'save' }, { ...files, owner: 65_534 });
  assert.ok(alone.includes('--kill-child') && alone.includes('--net') && !alone.includes('--new-pid-ns'));
});

test('what Firecracker lacks here is said, with what brings it', () => {
  const all = { program: '/f', jailer: '/j', socat: '/s', setpriv: '/p' };
  assert.equal(firecrackerLacks(all, true), undefined);
  assert.match(firecrackerLacks(all, false) ?? '', /\/dev\/kvm.*virtualisation/);
  assert.match(firecrackerLacks({ program: '/f' }, true) ?? '', /`jailer` of the same release; socat: apt-get install/);
  assert.match(firecrackerLacks(undefined, true) ?? '', /`firecracker` of its release page/);
});
