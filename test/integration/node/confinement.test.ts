import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { missingCapability } from '../../../src/domain/missing-capability.ts';
import { masksOf } from '../../../src/runtimes/jail/masks.ts';
import type { OciConfig } from '../../../src/runtimes/oci/config.ts';
import { mountsFor } from '../../../src/runtimes/oci/mounts.ts';
import { MASKED_PATHS, READONLY_PATHS } from '../../../src/runtimes/oci/paths.ts';
import type { OciRuntime } from '../../../src/runtimes/oci/runtime.ts';
import type { Handle } from '../../../src/runtimes/runtime.ts';
import { addProgram, inside, MIB, newExecId, newId, specOf, type World, world } from './harness.ts';

/** All that the probe may find allowed; everything else that it tries must be refused or end it. */
const ALLOWED = ['clone-plain', 'socket-1', 'socket-2', 'socket-10', 'socket-16'];
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => `/dev/${name}`);
const SCRIPT =
  'probe > /srv/probe; cat /proc/self/status > /srv/status; cat /proc/self/mountinfo > /srv/mounts; touch /srv/done; exec sleep 3600';

let shared: World;
let slot = 0;
before(async () => {
  shared = await world();
  addProgram(shared.lower, 'probe.c', 'probe');
  addProgram(shared.lower, 'drop.c', 'drop');
});
after(() => shared[Symbol.asyncDispose]());

async function start(runtime: OciRuntime, changes: Parameters<typeof specOf>[0] = {}): Promise<Handle> {
  slot += 1;
  const order = { id: newId(), incarnation: 1, slot, lowers: [shared.lower], fresh: true, labels: {}, owner: 'test' };
  return await runtime.start({ ...order, spec: specOf(changes) }, AbortSignal.timeout(20_000));
}

async function text(runtime: OciRuntime, handle: Handle, script: string): Promise<string> {
  const { stdout, stderr, exit } = await inside(runtime, handle, ['/bin/sh', '-c', script]);
  assert.equal(exit.code, 0, `${script}: ${stderr}`);
  return stdout;
}

/** By create and by exec alike: an exec that is weaker than its sandbox is a way around it. */
async function bothWays(
  runtime: OciRuntime,
  handle: Handle,
  file: string,
  command: string,
): Promise<readonly string[]> {
  const wait = 'i=0; while [ ! -e /srv/done ]; do sleep 0.05; i=$((i+1)); [ $i -lt 400 ] || exit 1; done';
  await text(runtime, handle, wait);
  return [await text(runtime, handle, `cat /srv/${file}`), await text(runtime, handle, command)];
}

interface Subject {
  runtime: OciRuntime;
  handle: Handle;
  /** Started before it. */
  first: Handle;
}

for (const name of ['crun', 'runc', 'bwrap'] as const) {
  describe(`what ${name} lets a program do`, () => {
    const subject = {} as Subject;
    before(async () => {
      subject.runtime = shared.runtime(name);
      // The one that is looked at has its filter from this one's, compiled: see below that they are the same.
      subject.first = await start(subject.runtime);
      subject.handle = await start(subject.runtime, { command: ['/bin/sh', '-c', SCRIPT] });
    });
    calls(subject);
    if (name === 'crun') sameFilter(subject);
    if (name === 'bwrap') jailSurroundings(subject);
    else containerSurroundings(subject);
    surroundings(subject);
    privileges(subject);
  });
}

function sameFilter(subject: Subject): void {
  it('filters by what the first start of a list has compiled, byte for byte, in every later one', () => {
    const kept = (id: string) => join(shared.dir, 'sandboxes', id, 'runtime', id);
    const [first, later] = [kept(subject.first.id), kept(subject.handle.id)].map((state) => ({
      filter: readFileSync(join(state, 'seccomp.bpf')),
      config: readFileSync(join(state, 'config.json'), 'utf8'),
    }));
    assert.ok(first && later && first.filter.length > 1000);
    assert.deepEqual(later.filter, first.filter);
    assert.ok(later.config.includes('seccomp_bpf_data') && !first.config.includes('seccomp_bpf_data'));
    const { seccomp } = (JSON.parse(later.config) as OciConfig).linux;
    assert.deepEqual(
      [seccomp?.defaultAction, seccomp?.syscalls],
      ['SCMP_ACT_ERRNO', []],
      'without it nothing is allowed',
    );
  });
}

function calls(subject: Subject): void {
  it('refuses every dangerous call, through create and through exec', async () => {
    const { runtime, handle } = subject;
    for (const report of await bothWays(runtime, handle, 'probe', 'probe')) {
      const lines = report.trim().split('\n');
      assert.ok(lines.length > 120 && lines.some((line) => line.startsWith('table-')), `${lines.length} lines`);
      const allowed = lines.filter((line) => line.endsWith(' 0')).map((line) => line.split(' ')[0]);
      assert.deepEqual(allowed, ALLOWED);
      for (const call of ['table-32-bit', 'table-x32']) {
        if (process.arch === 'x64') assert.ok(lines.includes(`${call} killed`), call);
      }
      assert.ok(lines.includes('unknown-call 38') && lines.includes('clone3-user 38'));
    }
  });

  it('gives no capability, no new privileges and a filter, through create and through exec', async () => {
    const { runtime, handle } = subject;
    for (const status of await bothWays(runtime, handle, 'status', 'cat /proc/self/status')) {
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
        assert.match(status, new RegExp(`^Cap${set}:\\s+0{16}$`, 'm'));
      assert.match(status, /^NoNewPrivs:\s+1$/m);
      assert.match(status, /^Seccomp:\s+2$/m);
      assert.match(status, /^Groups:\s*$/m);
    }
  });
}

function containerSurroundings(subject: Subject): void {
  it('mounts what the configuration asks for and nothing else', async () => {
    const { runtime, handle } = subject;
    for (const mounts of await bothWays(runtime, handle, 'mounts', 'cat /proc/self/mountinfo')) {
      const rows = mounts
        .trim()
        .split('\n')
        .map((line) => line.split(' '));
      const asked = ['/', ...mountsFor(64 * MIB).map((mount) => mount.destination), ...DEVICES];
      const hidden: readonly string[] = [...MASKED_PATHS, ...READONLY_PATHS];
      const points = rows.map((row) => row[4] ?? '');
      assert.deepEqual(
        points.filter((point) => !asked.includes(point) && !hidden.includes(point)),
        [],
      );
      assert.deepEqual(
        asked.filter((point) => !points.includes(point)),
        [],
      );
      for (const must of ['/proc/keys', '/proc/kmsg', '/proc/timer_list', '/proc/sys', '/sys/firmware']) {
        assert.ok(points.includes(must), must);
      }
      for (const row of rows) {
        const tail = row.slice(row.indexOf('-') + 1);
        assert.ok(!tail[0]?.startsWith('cgroup'), row.join(' '));
        assert.ok(!row.slice(6, row.indexOf('-')).some((field) => field.startsWith('shared:')), row.join(' '));
        const device = DEVICES.includes(row[4] ?? '') || hidden.includes(row[4] ?? '');
        if (row[5]?.startsWith('rw') && !device) assert.match(row[5], /nosuid/, row.join(' '));
      }
    }
  });

  it("shows nothing of the host's /sys, and no addresses of its kernel", async () => {
    const { runtime, handle } = subject;
    assert.equal(await text(runtime, handle, 'ls /sys/fs/cgroup; ls /sys/class/net'), 'eth0\nlo\n');
    const kernel = await text(runtime, handle, 'head -n 3 /proc/kallsyms 2>/dev/null || true');
    for (const line of kernel.split('\n').filter((one) => one !== '')) assert.match(line, /^0+ /);
  });

  it('has open only its three streams, and an environment that was built', async () => {
    await streamsAndEnvironment(subject, 1);
  });
}

/** A jail's root is a container's; what is mounted over it is made by the jailer, and there is no /sys at all. */
function jailSurroundings(subject: Subject): void {
  it('mounts what a program needs and nothing of the host but six devices', async () => {
    const { runtime, handle } = subject;
    for (const mounts of await bothWays(runtime, handle, 'mounts', 'cat /proc/self/mountinfo')) {
      const rows = mounts
        .trim()
        .split('\n')
        .map((line) => line.split(' '));
      const made = ['/', '/sys', '/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue', ...DEVICES];
      const hidden = masksOf().map(({ path }) => path);
      const points = rows.map((row) => row[4] ?? '');
      assert.deepEqual(
        points.filter((point) => !made.includes(point) && !hidden.includes(point)),
        [],
      );
      assert.deepEqual(
        made.filter((point) => !points.includes(point)),
        [],
      );
      for (const must of ['/proc/keys', '/proc/kmsg', '/proc/timer_list', '/proc/sys', '/proc/fs']) {
        assert.ok(points.includes(must), must);
      }
      for (const row of rows) {
        assert.ok(!row[row.indexOf('-') + 1]?.startsWith('cgroup'), row.join(' '));
        assert.ok(!row.slice(6, row.indexOf('-')).some((field) => field.startsWith('shared:')), row.join(' '));
        // A message queue is no program, whatever its flags.
        const files = !DEVICES.includes(row[4] ?? '') && row[4] !== '/dev/mqueue';
        if (files) assert.match(row[5] ?? '', /nosuid/, row.join(' '));
        if (['/sys', '/dev', ...hidden].includes(row[4] ?? '')) assert.match(row[5] ?? '', /^ro,/, row.join(' '));
      }
    }
  });

  it('shows nothing in /sys, and no addresses of its kernel', async () => {
    const { runtime, handle } = subject;
    assert.equal(await text(runtime, handle, 'ls /sys'), '');
    const kernel = await text(runtime, handle, 'head -n 3 /proc/kallsyms 2>/dev/null || true');
    for (const line of kernel.split('\n').filter((one) => one !== '')) assert.match(line, /^0+ /);
  });

  it('has open only its three streams, and an environment that was built', async () => {
    await streamsAndEnvironment(subject, 2);
  });

  it('can not look into, end or limit the first process, which is not its own', async () => {
    const { runtime, handle } = subject;
    const tries = ['readlink /proc/1/fd/91', 'readlink /proc/1/exe', 'ls /proc/1/root/', 'cat /proc/1/environ'];
    for (const script of [...tries, 'cat /proc/1/maps', ': < /proc/1/mem']) {
      const { exit, stdout } = await inside(runtime, handle, ['/bin/sh', '-c', script]);
      assert.notEqual(exit.code, 0, `${script}: ${stdout}`);
    }
    await inside(runtime, handle, ['/bin/sh', '-c', 'kill -9 1; kill -STOP 1; kill -TERM 1']);
    assert.equal(await text(runtime, handle, 'echo still here'), 'still here\n');
  });
}

async function streamsAndEnvironment({ runtime, handle }: Subject, pid: number): Promise<void> {
  assert.equal(await text(runtime, handle, `ls /proc/${pid}/fd`), '0\n1\n2\n');
  const environ = await text(runtime, handle, `tr '\\0' '\\n' < /proc/${pid}/environ`);
  assert.deepEqual(
    environ
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0])
      .filter((one) => one !== 'PWD' && one !== 'SHLVL')
      .sort(),
    ['HOME', 'PATH'],
  );
}

function surroundings(subject: Subject): void {
  it('cannot write into a terminal what nobody typed', async () => {
    const { runtime, handle } = subject;
    const stream = await runtime.exec(handle, newExecId(), {
      command: ['probe'],
      env: {},
      tty: { cols: 80, rows: 24 },
    });
    let seen = '';
    for await (const { data } of stream.output) seen += Buffer.from(data).toString('utf8');
    await stream[Symbol.asyncDispose]();
    for (const call of ['tiocsti', 'tiocsti-high-bits', 'tioclinux'])
      assert.match(seen, new RegExp(`^${call} 38\\r?$`, 'm'));
  });
}

function privileges(subject: Subject): void {
  it('owns its namespaces, all of them, and shares its uid with nobody', async () => {
    const { runtime, handle } = subject;
    const other = await start(runtime);
    const namespaces = (pid: number | string) =>
      new Map(['user', 'net', 'mnt', 'pid', 'ipc', 'uts', 'cgroup'].map((kind) => [kind, inode(pid, kind)]));
    const [one, two, host] = [namespaces(within(handle.pid)), namespaces(within(other.pid)), namespaces('self')];
    for (const [kind, id] of one) {
      assert.notEqual(id, two.get(kind), kind);
      assert.notEqual(id, host.get(kind), kind);
    }
    assert.notEqual(hostUid(handle.pid), hostUid(other.pid));
    assert.ok(hostUid(handle.pid) >= 65_536);
    const { stdout } = spawnSync('lsns', ['-n', '-p', String(handle.pid), '-t', 'net', '-o', 'NS,ONS'], {
      encoding: 'utf8',
    });
    assert.deepEqual(
      stdout.trim().split(/\s+/),
      [one.get('net'), one.get('user')],
      'the network namespace is owned by the user namespace',
    );
  });

  it('lets a program that starts as root drop from it, when the template says so', async () => {
    const { runtime } = subject;
    const able = await start(runtime, { capabilities: ['SETUID', 'SETGID'] });
    assert.equal(await text(runtime, able, 'drop'), '33 33 for good\n');
    const status = await text(runtime, able, 'cat /proc/self/status');
    for (const set of ['Prm', 'Eff', 'Bnd']) assert.match(status, new RegExp(`^Cap${set}:\\s+00000000000000c0$`, 'm'));
    for (const set of ['Inh', 'Amb']) assert.match(status, new RegExp(`^Cap${set}:\\s+0{16}$`, 'm'));
  });

  it('names the line to add when the template does not say so', async () => {
    const { runtime, handle } = subject;
    const { stderr, exit } = await inside(runtime, handle, ['drop']);
    assert.equal(exit.code, 1);
    const error = missingCapability(stderr, specOf());
    assert.match(error?.hint ?? '', /capabilities: \[SETUID, SETGID\]/);
  });

  it('serves on a port below 1024 without any capability', async () => {
    const { runtime } = subject;
    const server = await start(runtime, { command: ['/bin/httpd', '-f', '-p', '80', '-h', '/etc'], user: '1000' });
    const got = await text(
      runtime,
      server,
      'i=0; until wget -q -O - http://127.0.0.1/hostname; do i=$((i+1)); [ $i -lt 100 ] || exit 1; done',
    );
    assert.equal(got.trim(), server.id);
  });
}

describe('what runsc lets a program do', () => {
  it('answers with a kernel of its own, without capabilities, as nobody on the host', async () => {
    const runtime = shared.runtime('runsc');
    const handle = await start(runtime, { isolation: 'gvisor', command: ['/bin/sh', '-c', SCRIPT] });
    assert.equal(await text(runtime, handle, 'uname -r'), '4.4.0\n');
    for (const status of await bothWays(runtime, handle, 'status', 'cat /proc/self/status')) {
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd']) assert.match(status, new RegExp(`^Cap${set}:\\s+0{16}$`, 'm'));
    }
    assert.ok(hostUid(handle.pid) >= 65_536);
    const calls = (await text(runtime, handle, 'probe')).split('\n');
    // Namespaces may be made inside: they are gVisor's own, and nothing of this machine is behind them.
    const refused =
      'umount2 chroot setns process_vm_readv bpf perf_event_open userfaultfd io_uring_setup open_by_handle_at kexec_load init_module finit_module delete_module reboot swapon acct mknod-block socket-packet socket-17 socket-38 socket-40 unknown-call';
    for (const call of refused.split(' ')) {
      const line = calls.find((one) => one.startsWith(`${call} `));
      assert.ok(line !== undefined && !line.endsWith(' 0'), `${call}: ${line}`);
    }
  });
});

function inode(pid: number | string, kind: string): string {
  const { stdout } = spawnSync('readlink', [`/proc/${pid}/ns/${kind}`], { encoding: 'utf8' });
  return /\[([0-9]+)\]/.exec(stdout)?.[1] ?? '';
}

/** The process of a sandbox that is first inside: its own first one, or the child of a runtime that stays as its parent. */
function within(pid: number): number {
  if (inode(pid, 'pid') !== inode('self', 'pid')) return pid;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

function hostUid(pid: number): number {
  return Number(/^Uid:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
