import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from '../../kit/real.ts';
import { type Breakage, MACHINE_BREAKAGES } from './breakages.ts';
import type { Result } from './check.ts';
import { type FakeMachine, factsOf, goodMachine, noted, probeOf } from './fake-machine.ts';
import { CHECKS, formatDoctor, realProbe, runDoctor } from './index.ts';

const REPORT = '/var/lib/arc/verify.json';
const CHAIN = { chain: { family: 'ip', table: 'filter', name: 'FORWARD', hook: 'forward', policy: 'drop' } };
const V1 = `1 0 8:1 / / rw - ext4 /dev/root rw\n4 1 0:30 / /cg/cpu rw - cgroup cgroup rw,cpu\n`;

const without = (program: string) => (machine: FakeMachine) => {
  machine.programs[program] = undefined;
};
const file = (path: string, text: string | undefined) => (machine: FakeMachine) => {
  machine.files[path] = text;
};
const kernel = (version: string) => (machine: FakeMachine) => {
  machine.probe.machine = { kernel: version, node: 'v24.1.0', uid: 0, memoryBytes: 8e9 };
};
const user = (machine: FakeMachine) => {
  machine.probe.machine = { kernel: '6.1.0', node: 'v24.1.0', uid: 1000, memoryBytes: 8e9 };
};
const answer = (pattern: RegExp, result: FakeMachine['answers'][0][1]) => (machine: FakeMachine) => {
  machine.answers = [[pattern, result]];
};
const space = (freeBytes: number, freeInodes: number) => (machine: FakeMachine) => {
  machine.probe.space = () => ({ freeBytes, totalBytes: 100e9, freeInodes, totalInodes: 6e6 });
};
const folder =
  (path: string, mode: number, uid = 0) =>
  (machine: FakeMachine) => {
    machine.probe.stat = (asked) => ({ mode: asked === path ? mode : 0o40755, uid, isFolder: true, mtimeMs: 0 });
  };
const helper =
  (version: string | undefined | false, built = true) =>
  (machine: FakeMachine) => {
    machine.facts.helper = async () => ({ built, version, expected: '1' });
  };
const portTaken = (port: number) => (machine: FakeMachine) => {
  machine.probe.listen = async (_host, asked) => (asked === port ? 'EADDRINUSE' : 'free');
};

const BREAKAGES: readonly Breakage[] = [
  ...MACHINE_BREAKAGES,
  { check: 'server.root', when: 'a plain user asks', status: 'warn', says: /user 1000/, breakIt: user },
  {
    check: 'server.answers',
    when: 'the lock is held and nobody answers',
    status: 'fail',
    says: /does not answer/,
    breakIt: (machine) => {
      machine.facts.server = async () => 'silent';
    },
  },
  {
    check: 'server.alone',
    when: 'a server runs on another data folder',
    status: 'warn',
    says: /process 77 /,
    breakIt: (machine) => {
      machine.probe.processes = () => [
        { pid: 76, argv: ['node', '/opt/arc/src/main/arc.ts', 'up'] },
        { pid: 77, argv: ['node', '/opt/arc/src/main/arc.ts', 'up', '--data-dir', '/srv/arc'] },
        { pid: 78, argv: ['node', '/opt/arc/src/main/arc.ts', 'up', '--data-dir=/var/lib/arc'] },
      ];
    },
  },
  {
    check: 'helper.answers',
    when: 'the helper is silent',
    status: 'fail',
    says: /does not answer/,
    breakIt: helper(false),
  },
  {
    check: 'helper.answers',
    when: 'it is not built',
    status: 'fail',
    says: /not built/,
    breakIt: helper(undefined, false),
  },
  {
    check: 'helper.answers',
    when: 'it is of another version',
    status: 'warn',
    says: /version 0 runs/,
    breakIt: helper('0'),
  },
  {
    check: 'helper.answers',
    when: 'a server runs without one',
    status: 'fail',
    says: /although a server is/,
    breakIt: (machine) => {
      machine.facts.server = async () => 'running';
    },
  },
  { check: 'kernel.version', when: 'it is 5.4', status: 'fail', says: /5\.4/, breakIt: kernel('5.4.0-100') },
  { check: 'kernel.version', when: 'it is 5.10', status: 'warn', says: /5\.10/, breakIt: kernel('5.10.0-28') },
  { check: 'kernel.pidfd', when: 'it is 4.19', status: 'fail', says: /4\.19/, breakIt: kernel('4.19.0') },
  {
    check: 'kernel.user-namespaces',
    when: 'they are turned off',
    status: 'fail',
    says: /is 0/,
    breakIt: file('/proc/sys/user/max_user_namespaces', '0\n'),
  },
  {
    check: 'kernel.user-namespaces',
    when: 'the kernel has none',
    status: 'fail',
    says: /has none/,
    breakIt: (machine) => machine.present.delete('/proc/self/ns/user'),
  },
  {
    check: 'kernel.apparmor-userns',
    when: 'AppArmor restricts a plain user',
    status: 'warn',
    says: /restricted/,
    breakIt: (machine) => {
      user(machine);
      machine.files['/proc/sys/kernel/apparmor_restrict_unprivileged_userns'] = '1\n';
    },
  },
  {
    check: 'kernel.overlay',
    when: 'it is not there',
    status: 'fail',
    says: /none/,
    breakIt: file('/proc/filesystems', '\text4\n'),
  },
  {
    check: 'kernel.ext4',
    when: 'it is not there',
    status: 'fail',
    says: /none/,
    breakIt: file('/proc/filesystems', 'overlay\n'),
  },
  {
    check: 'kernel.idmap',
    when: 'the try fails',
    status: 'warn',
    says: /EINVAL/,
    breakIt: (machine) => {
      machine.facts.tryIdmap = async () => 'mount_setattr: EINVAL';
    },
  },
  {
    check: 'kernel.seccomp',
    when: 'an action is lacking',
    status: 'fail',
    says: /kill_process/,
    breakIt: file('/proc/sys/kernel/seccomp/actions_avail', 'errno allow\n'),
  },
  {
    check: 'kernel.veth',
    when: 'none can be made',
    status: 'fail',
    says: /Unknown device type/,
    breakIt: answer(/type veth/, { code: 2, stderr: 'Error: Unknown device type.\n' }),
  },
  { check: 'kernel.veth', when: 'it can not be tried', status: 'warn', says: /not tried/, breakIt: without('ip') },
  {
    check: 'kernel.loop',
    when: 'there is no control device',
    status: 'fail',
    says: /loop-control/,
    breakIt: (machine) => machine.present.delete('/dev/loop-control'),
  },
  {
    check: 'cgroup.kind',
    when: 'none is mounted',
    status: 'fail',
    says: /none/,
    breakIt: file('/proc/self/mountinfo', ''),
  },
  {
    check: 'cgroup.kind',
    when: 'it is read-only',
    status: 'fail',
    says: /read-only/,
    breakIt: file('/proc/self/mountinfo', '3 1 0:21 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n'),
  },
  ...['memory', 'pids', 'cpu'].map((name) => ({
    check: `cgroup.${name}`,
    when: 'the root does not have it',
    status: 'fail' as const,
    says: /no mounted hierarchy/,
    breakIt: file('/sys/fs/cgroup/cgroup.controllers', 'io\n'),
  })),
  {
    check: 'cgroup.memory',
    when: 'it was turned off at boot of a v1 machine',
    status: 'fail',
    says: /turned off at boot/,
    breakIt: (machine) => {
      machine.files['/proc/self/mountinfo'] = V1;
      machine.files['/proc/cgroups'] = 'memory\t0\t1\t0\n';
    },
  },
  {
    check: 'program.crun',
    when: 'only runc is there',
    status: 'warn',
    says: /runc is used/,
    breakIt: without('crun'),
  },
  {
    check: 'program.crun',
    when: 'neither crun nor runc is there',
    status: 'fail',
    says: /not found/,
    breakIt: (machine) => {
      machine.programs = { crun: undefined, runc: undefined };
    },
  },
  {
    check: 'program.crun',
    when: 'it does not run',
    status: 'fail',
    says: /exec format error/,
    breakIt: answer(/crun --version/, { code: null, notStarted: 'exec format error' }),
  },
  { check: 'program.nft', when: 'it is not there', status: 'fail', says: /not found/, breakIt: without('nft') },
  {
    check: 'program.mkfs.ext4',
    when: 'it is not there',
    status: 'fail',
    says: /not found/,
    breakIt: without('mkfs.ext4'),
  },
  {
    check: 'program.c-compiler',
    when: 'none is there and the helper has to be built',
    status: 'fail',
    says: /not found/,
    breakIt: (machine) => {
      machine.programs = { cc: undefined, gcc: undefined, clang: undefined };
      helper(undefined, false)(machine);
    },
  },
  {
    check: 'program.c-headers',
    when: 'they are not there and the helper has to be built',
    status: 'fail',
    says: /not found/,
    breakIt: (machine) => {
      machine.present.delete('/usr/include/stdio.h');
      helper(undefined, false)(machine);
    },
  },
  { check: 'program.ip', when: 'it is not there', status: 'warn', says: /not found/, breakIt: without('ip') },
  { check: 'program.runsc', when: 'it is not there', status: 'warn', says: /not found/, breakIt: without('runsc') },
  {
    check: 'program.bubblewrap',
    when: 'it is not there',
    status: 'warn',
    says: /not found/,
    breakIt: without('bwrap'),
  },
  { check: 'program.busybox', when: 'it is not there', status: 'warn', says: /not found/, breakIt: without('busybox') },
  { check: 'program.python3', when: 'it is not there', status: 'warn', says: /not found/, breakIt: without('python3') },
  {
    check: 'program.nft-works',
    when: 'the kernel refuses the rules',
    status: 'fail',
    says: /Operation not supported/,
    breakIt: answer(/--check/, { code: 1, stderr: 'Error: Operation not supported\nmore\n' }),
  },
  { check: 'program.nft-works', when: 'it can not be tried', status: 'warn', says: /needs root/, breakIt: user },
  {
    check: 'program.node',
    when: 'it is older than 24',
    status: 'fail',
    says: /v22/,
    breakIt: (machine) => {
      machine.probe.machine = { kernel: '6.1.0', node: 'v22.3.0', uid: 0, memoryBytes: 8e9 };
    },
  },
  {
    check: 'network.port-api',
    when: 'another program has it',
    status: 'fail',
    says: /something else/,
    breakIt: portTaken(7700),
  },
  {
    check: 'network.port-edge',
    when: 'another program has it',
    status: 'fail',
    says: /something else/,
    breakIt: portTaken(7780),
  },
  {
    check: 'network.port-edge',
    when: 'the address is not of this host',
    status: 'fail',
    says: /EADDRNOTAVAIL/,
    breakIt: (machine) => {
      machine.probe.listen = async () => 'EADDRNOTAVAIL';
    },
  },
  {
    check: 'network.range',
    when: 'the host routes a part of it',
    status: 'fail',
    says: /10\.199\.7\.0\/24 of wg0/,
    breakIt: file('/proc/net/route', 'Iface\nwg0\t0007C70A\t00000000\t1\t0\t0\t0\t00FFFFFF\t0\t0\t0\n'),
  },
  {
    check: 'network.range',
    when: 'the host has an address in it',
    status: 'fail',
    says: /10\.199\.0\.1\/32 of br0/,
    breakIt: (machine) => {
      machine.probe.addresses = () => [{ device: 'br0', cidr: { base: 0x0ac7_0001, bits: 32 } }];
    },
  },
  {
    check: 'network.range',
    when: 'an Arc of another data folder uses it',
    status: 'fail',
    says: /of arcnzzzz00001/,
    breakIt: file('/proc/net/route', 'Iface\narcnzzzz00001\t0100C70A\t00000000\t5\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n'),
  },
  {
    check: 'network.forward',
    when: 'it is off and can not be turned on',
    status: 'warn',
    says: /read-only/,
    breakIt: (machine) => {
      machine.files['/proc/sys/net/ipv4/ip_forward'] = '0\n';
      machine.files['/proc/self/mountinfo'] += '9 2 0:20 /sys /proc/sys ro,nosuid - proc proc rw\n';
    },
  },
  {
    check: 'network.foreign-firewall',
    when: "another tool's chain drops what is forwarded",
    status: 'warn',
    says: /ip filter FORWARD/,
    breakIt: answer(/list chains/, { stdout: JSON.stringify({ nftables: [{ metainfo: {} }, CHAIN] }) }),
  },
  {
    check: 'network.neighbours',
    when: 'it is small',
    status: 'warn',
    says: /256 entries/,
    breakIt: file('/proc/sys/net/ipv4/neigh/default/gc_thresh3', '256\n'),
  },
  {
    check: 'network.conntrack',
    when: 'it is small',
    status: 'warn',
    says: /8192 connections/,
    breakIt: file('/proc/sys/net/netfilter/nf_conntrack_max', '8192\n'),
  },
  {
    check: 'limit.open-files',
    when: 'it is far too low',
    status: 'fail',
    says: /512/,
    breakIt: file('/proc/self/limits', 'Max open files   512   512   files\n'),
  },
  {
    check: 'limit.open-files',
    when: 'it is low for many sandboxes',
    status: 'warn',
    says: /4096; 4000 sandboxes/,
    breakIt: file('/proc/self/limits', 'Max open files   1024   4096   files\n'),
  },
  {
    check: 'limit.processes',
    when: 'it is low',
    status: 'warn',
    says: /16384/,
    breakIt: file('/proc/sys/kernel/pid_max', '16384\n'),
  },
  {
    check: 'limit.namespaces',
    when: 'one kind is short',
    status: 'warn',
    says: /mnt 100/,
    breakIt: file('/proc/sys/user/max_mnt_namespaces', '100\n'),
  },
  {
    check: 'limit.inotify',
    when: 'it is low',
    status: 'warn',
    says: /4096 files/,
    breakIt: file('/proc/sys/fs/inotify/max_user_watches', '4096\n'),
  },
  {
    check: 'limit.memory',
    when: 'little is available',
    status: 'warn',
    says: /97 MiB of/,
    breakIt: file('/proc/meminfo', 'MemAvailable: 100000 kB\n'),
  },
  { check: 'storage.space', when: 'it is nearly full', status: 'fail', says: /0\.1 GiB/, breakIt: space(1e8, 5e6) },
  { check: 'storage.space', when: 'it is getting full', status: 'warn', says: /0\.9 GiB/, breakIt: space(1e9, 5e6) },
  { check: 'storage.inodes', when: 'they are used up', status: 'fail', says: /5 of/, breakIt: space(50e9, 5) },
  {
    check: 'storage.file-system',
    when: 'it is on NFS',
    status: 'fail',
    says: /nfs4/,
    breakIt: file('/proc/self/mountinfo', '1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / /var/lib rw - nfs4 s:/ rw\n'),
  },
  {
    check: 'storage.file-system',
    when: 'it is mounted noexec',
    status: 'fail',
    says: /noexec/,
    breakIt: file('/proc/self/mountinfo', '1 0 8:1 / / rw - ext4 d rw\n2 1 8:2 / /var rw,noexec - ext4 d rw\n'),
  },
  {
    check: 'storage.file-system',
    when: 'it is of an uncommon kind',
    status: 'warn',
    says: /zfs/,
    breakIt: file('/proc/self/mountinfo', '1 0 8:1 / / rw - zfs d rw\n'),
  },
  {
    check: 'storage.permissions',
    when: 'a folder above is closed to others',
    status: 'fail',
    says: /\/var\/lib$/,
    breakIt: folder('/var/lib', 0o40700),
  },
  {
    check: 'storage.permissions',
    when: 'others can write to it',
    status: 'fail',
    says: /0733/,
    breakIt: folder('/var/lib/arc', 0o40733),
  },
  {
    check: 'storage.permissions',
    when: 'it belongs to someone else',
    status: 'fail',
    says: /user 1000/,
    breakIt: folder('/var/lib/arc', 0o40711, 1000),
  },
  {
    check: 'edge.certificate',
    when: 'none could be had',
    status: 'fail',
    says: /there is none; tried 3 times: locked/,
    breakIt: noted({ names: [], failure: { at: 0, count: 3, what: 'locked' } }),
  },
  {
    check: 'clock.sane',
    when: 'it stands at 1970',
    status: 'fail',
    says: /1970/,
    breakIt: (machine) => {
      machine.probe.now = () => 5000;
    },
  },
  {
    check: 'clock.sane',
    when: 'files of Arc are from the future',
    status: 'warn',
    says: /was written at 2027/,
    breakIt: (machine) => {
      machine.probe.stat = () => ({ mode: 0o40711, uid: 0, isFolder: true, mtimeMs: Date.UTC(2027, 1, 1) });
    },
  },
  {
    check: 'clock.kept',
    when: 'nobody keeps it',
    status: 'warn',
    says: /no program/,
    breakIt: (machine) => machine.present.delete('/run/systemd/timesync/synchronized'),
  },
  { check: 'levels.verified', when: 'not told', status: 'fail', says: /JSON/, breakIt: file(REPORT, 'half') },
];

async function examine(breakIt?: (machine: FakeMachine) => void): Promise<readonly Result[]> {
  const machine = goodMachine();
  breakIt?.(machine);
  return (await runDoctor({ probe: probeOf(machine), facts: factsOf(machine) })).checks;
}

test('on a good machine every check is right, and nothing costs anything', async () => {
  for (const result of await examine()) {
    assert.deepEqual({ ...result, found: '' }, { ...result, status: 'ok', found: '', cost: '', fix: '' });
    assert.notEqual(result.found, '', result.id);
  }
});

for (const { check, when, status, says, breakIt } of BREAKAGES) {
  test(`${check} is ${status} when ${when}`, async () => {
    const result = (await examine(breakIt)).find(({ id }) => id === check);
    assert.ok(result, `there is no check ${check}`);
    assert.equal(result.status, status, result.found);
    assert.match(result.found, says);
    assert.notEqual(result.cost, '', 'it says what one loses');
    assert.notEqual(result.fix, '', 'it says what to do');
  });
}

test('every check has a test in which it goes red, and every id is one of its own', () => {
  const broken = new Set(BREAKAGES.map(({ check }) => check));
  assert.deepEqual(
    CHECKS.map(({ id }) => id).filter((id) => !broken.has(id)),
    [],
  );
  assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
});

test('ports that this Arc itself listens on are right', async () => {
  const results = await examine((machine) => {
    machine.probe.listen = async () => 'EADDRINUSE';
    machine.facts.server = async () => 'running';
    machine.facts.helper = async () => ({ built: true, version: '1', expected: '1' });
  });
  assert.deepEqual(
    results.filter(({ status }) => status !== 'ok'),
    [],
  );
});

test("this folder's own interfaces and routes do not clash with its range", async () => {
  const own = 'Iface\narcnabcd00001\t0100C70A\t00000000\t5\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n';
  const results = await examine(file('/proc/net/route', own));
  assert.deepEqual(
    results.filter(({ status }) => status !== 'ok'),
    [],
  );
});

test("another tool's chain that lets Arc through is right", async () => {
  const results = await examine((machine) => {
    machine.answers = [
      [/list chains/, { stdout: JSON.stringify({ nftables: [CHAIN] }) }],
      [/list chain ip filter FORWARD/, { stdout: 'iifname "arcp*" accept' }],
    ];
  });
  assert.deepEqual(
    results.filter(({ status }) => status !== 'ok'),
    [],
  );
});

test('a check that breaks is a failed check and does not stop the others', async () => {
  const results = await examine((machine) => {
    machine.probe.space = () => {
      throw new Error('EIO');
    };
  });
  assert.match(results.find(({ id }) => id === 'storage.space')?.found ?? '', /EIO/);
  assert.equal(results.length, CHECKS.length);
});

test('the exit code is 1 exactly when a check failed', async () => {
  const run = async (breakIt: (machine: FakeMachine) => void) => {
    const machine = goodMachine();
    breakIt(machine);
    return (await runDoctor({ probe: probeOf(machine), facts: factsOf(machine) })).exitCode;
  };
  assert.equal(await run(() => {}), 0);
  assert.equal(await run(without('runsc')), 0);
  assert.equal(await run(without('nft')), 1);
});

test('people read what was found, what it costs and what to do', async () => {
  const machine = goodMachine();
  without('nft')(machine);
  const text = formatDoctor(await runDoctor({ probe: probeOf(machine), facts: factsOf(machine) }));
  assert.match(text, /^FAIL {2}nft +not found\n +costs: no sandbox can start.*\n +to do: Install .* nftables/m);
  assert.match(text, /^ok {4}Node\.js +v24/m);
  assert.match(text, /2 failed\. Something has to be done\.\n$/);
  assert.match(text, /Orphans: none\./);
});

test('the real probe looks at this machine: every check says something and none breaks', async () => {
  const probe = realProbe({ clock: realClock, path: process.env.PATH ?? '', uid: process.getuid?.() ?? -1 });
  const facts = { ...factsOf(goodMachine()), dataDir: '/tmp' };
  const { checks } = await runDoctor({ probe, facts });
  assert.deepEqual(
    checks.filter(({ found }) => found === '' || found.startsWith('could not be looked at')),
    [],
  );
  const status = (id: string) => checks.find((result) => result.id === id)?.status;
  assert.equal(status('program.node'), 'ok');
  assert.equal(status('kernel.pidfd'), 'ok');
});
