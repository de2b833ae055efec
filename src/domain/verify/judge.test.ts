import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Expectation } from './check.ts';
import { parseFacts } from './facts.ts';
import { CHECKS, judge, type Seen } from './judge.ts';

/** What an adversary tells of a box that is whole. */
const MIB = 1024 * 1024;
const NONE = '0000000000000000';
const REFUSED = ['tcp/10.9.9.9/1', 'udp/169.254.169.254/53'];
const TRIES = [
  ...['unshare-user', 'unshare-time', 'clone-user', 'clone-user-high-bits', 'clone3-user', 'setns', 'ptrace'],
  ...['socket-40', 'socket-38', 'netlink-9', 'socket-packet', 'socket-raw4', 'socket-raw6', 'setuid', 'chroot'],
  ...['personality', 'table-x32', 'write-sysrq', 'made-disk', 'made-memory', 'setgroups', 'raise-7'],
];
const WHOLE = [
  ...['env\tPATH', 'env-of-1\tHOME', 'fd\t0\tother', 'fd\t1\tother', 'uid-map\t0 268500992 65536'],
  ...['gid-map\t0 268500992 65536', 'hostname\tsb-one', 'version\tLinux own', 'dumped\tno', 'limit\t4\t0'],
  ...['limit\t7\t256', 'limit\t8\t8388608', 'limit\t13\t0', 'limit\t14\t0', 'canary-sought\t/x'],
  ...['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `status\tCap${set}:?${NONE}`),
  ...['status\tNoNewPrivs:?1', 'status\tSeccomp:?2', 'namespace\tuser\tuser:[5]', 'cgroup\t1:cpu:/'],
  'mount\t30 20 0:45 / / rw,nosuid,nodev - overlay overlay rw',
  'mount\t31 30 0:46 / /dev/null rw - tmpfs dev rw',
  ...[
    'read\t/proc/kcore\tno',
    'read\t/sys/firmware\t0',
    'device\t/dev/null\tchar 1:3',
    'device\t/dev/pts/0\tchar 136:0',
  ],
  ...['process\t1\tadversary', 'unix-socket\tNum RefCount', 'call\t0\t9'],
  ...Array.from({ length: 510 }, (_, number) => `call\t${number + 1}\t${number % 2 === 0 ? 38 : 1}`),
  ...TRIES.map((name) => `try\t${name}\t1`),
  ...['socket-1', 'socket-2', 'socket-10', 'socket-16'].map((name) => `try\t${name}\tok`),
  ...['tiocsti', 'tiocsti-high-bits', 'tioclinux'].map((name) => `try\t${name}\t38`),
  ...['most\tfiles\t256\t24', `most\tdisk\t${8 * MIB}\t28`, 'most\tinodes\t2000\t28', `most\tshm\t${32 * MIB}\t28`],
  ...['most\tpids\t46\t11', `most\tmemory\t${50 * MIB}\tkilled`, ...REFUSED.map((word) => `reach\t${word}\t113`)],
  ...['reach\ttcp/1.1.1.1/443\tconnected', 'end\tyes'],
];
const EXPECTED: Expectation = {
  ...{ level: 'container', kernel: 'shared', calls: new Set([0]), callName: (number) => `name-${number}` },
  limits: { memoryBytes: 64 * MIB, cpus: 1, pids: 48, openFiles: 256, diskBytes: 8 * MIB, diskKind: 'image' },
  ...{ env: [], version: 'Linux host', hostname: 'host', othersNamespaces: new Set(['user:[4]']) },
  ...{ refusedTargets: new Set(REFUSED), noNetworkTargets: new Set(REFUSED) },
};
const NEIGHBOUR = [...REFUSED.map((word) => `reach\t${word}\t113`), 'end\tyes'];

type Change = readonly [from: RegExp | undefined, to: string];

function told([from, to]: Change, lines: readonly string[] = WHOLE): string {
  if (from === undefined) return [to, ...lines].join('\n');
  const changed = lines.filter((line) => !from.test(line));
  assert.ok(changed.length < lines.length, `${from} changes nothing`);
  return [...(to === '' ? [] : [to]), ...changed].join('\n');
}

function failed(seen: Partial<Seen>, expected: Partial<Expectation> = {}): readonly string[] {
  const whole = parseFacts(WHOLE.join('\n'));
  const all = { create: whole, exec: whole, neighbour: parseFacts(NEIGHBOUR.join('\n')), outside: [], unproven: [] };
  return judge({ ...all, ...seen }, { ...EXPECTED, ...expected })
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ id }) => id);
}

/** For each check: its protection is taken away, one way after the other. */
const RED: Readonly<Record<string, readonly Change[]>> = {
  'self.ids': [
    [/^uid-map/, 'uid-map\t0 0 4294967295'],
    [/^gid-map/, 'gid-map\t0 1000 1'],
    [/^uid-map/, ''],
  ],
  'self.groups': [[undefined, 'group\t5']],
  'self.capabilities': ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map(
    (set) => [new RegExp(`Cap${set}`), `status\tCap${set}:?0000000000000400`] as const,
  ),
  'self.no-new-privileges': [
    [/NoNewPrivs/, 'status\tNoNewPrivs:?0'],
    [/NoNewPrivs/, ''],
  ],
  'self.filter': [[/Seccomp:/, 'status\tSeccomp:?0']],
  'self.privileges': ['setuid', 'setgroups', 'raise-7'].map(
    (name) => [new RegExp(`try\t${name}\t`), `try\t${name}\tok`] as const,
  ),
  'self.descriptors': [
    [undefined, 'fd\t7\tother'],
    [/^fd\t0/, 'fd\t0\tfolder'],
    [/^fd/, ''],
  ],
  'self.environment': [
    [undefined, 'env\tAWS_SECRET_ACCESS_KEY'],
    [undefined, 'env-of-1\tARC_API_KEY'],
  ],
  'self.resources': [
    [/^limit\t7/, 'limit\t7\t1048576'],
    [/^limit\t8/, 'limit\t8\t-1'],
    [/^limit\t14/, 'limit\t14\t99'],
  ],
  'self.dumps': [
    [/^dumped/, 'dumped\tyes'],
    [/^limit\t4/, 'limit\t4\t-1'],
  ],
  'calls.list': [
    [/^call\t101\t/, 'call\t101\tok'],
    [/^call\t300\t/, 'call\t300\t22'],
    [/^call/, ''],
  ],
  'calls.namespaces': [
    [/unshare-user/, 'try\tunshare-user\tok'],
    [/clone3-user/, 'try\tclone3-user\tok'],
    [/setns/, ''],
  ],
  'calls.tables': [[/table-x32/, 'try\ttable-x32\tok']],
  'calls.trace': [
    [/ptrace/, 'try\tptrace\tok'],
    [/ptrace/, ''],
  ],
  'calls.sockets': [
    [/socket-40/, 'try\tsocket-40\tok'],
    [/netlink-9/, 'try\tnetlink-9\tok'],
    [/socket-raw4/, 'try\tsocket-raw4\tok'],
  ],
  'calls.terminal': [
    [/tiocsti-high/, 'try\ttiocsti-high-bits\t25'],
    [/tioclinux/, ''],
  ],
  'calls.root': [
    [/chroot/, 'try\tchroot\tok'],
    [/personality/, 'try\tpersonality\tok'],
  ],
  'around.mounts': [
    [undefined, 'mount\t40 30 8:1 / /data rw,nosuid - ext4 /dev/sda1 rw'],
    [undefined, 'mount\t40 30 0:9 / /x rw,nosuid shared:7 - tmpfs tmpfs rw'],
    [/^mount/, ''],
  ],
  'around.nosuid': [[undefined, 'mount\t40 30 0:9 / /x rw - tmpfs tmpfs rw']],
  'around.host-files': [
    [undefined, 'canary\t/proc/1/root/x'],
    [/^canary-sought/, ''],
  ],
  'around.masked': [
    [/kcore/, 'read\t/proc/kcore\t64'],
    [/firmware/, 'read\t/sys/firmware\t3'],
  ],
  'around.kernel-files': [
    [undefined, 'writable\t/proc/sys/vm/swappiness'],
    [/write-sysrq/, 'try\twrite-sysrq\tok'],
  ],
  'around.addresses': [[undefined, 'kernel-address\tffffffff81000000 T _text']],
  'around.devices': [
    [undefined, 'device\t/dev/sda\tblock 8:0'],
    [undefined, 'device\t/dev/kvm\tchar 10:232'],
    [/made-disk/, 'try\tmade-disk\tok'],
    [/made-memory/, ''],
  ],
  'around.processes': [
    [undefined, 'process\t2\tkthreadd'],
    [/^process/, ''],
  ],
  'around.namespaces': [
    [/^namespace/, 'namespace\tuser\tuser:[4]'],
    [/^cgroup/, 'cgroup\t1:cpu:/arc-x/sb-y'],
  ],
  'around.names': [[/^hostname/, 'hostname\thost']],
  'around.leavings': [
    [undefined, 'left\t/tmp/of-somebody'],
    [undefined, 'ipc\t 0 1 600 4096 1 1'],
    [undefined, 'unix-socket\t0000000000000000: 00000002 00000000 00010000 0001 01 4711 @somebody'],
  ],
  'limits.files': [
    [/^most\tfiles/, 'most\tfiles\t257\t24'],
    [/^most\tfiles/, 'most\tfiles\t9\tnone'],
    [/^most\tfiles/, ''],
  ],
  'limits.disk': [[/^most\tdisk/, `most\tdisk\t${64 * MIB}\t28`]],
  'limits.inodes': [[/^most\tinodes/, 'most\tinodes\t200000\tnone']],
  'limits.shared-memory': [[/^most\tshm/, `most\tshm\t${80 * MIB}\t28`]],
  'limits.processes': [[/^most\tpids/, 'most\tpids\t2000\tnone']],
  'limits.memory': [[/^most\tmemory/, `most\tmemory\t${512 * MIB}\tnone`]],
  'network.refused': [
    [/169\.254/, 'reach\tudp/169.254.169.254/53\tanswered'],
    [/reach\ttcp\/10/, ''],
  ],
};

test('a box that is whole passes every check', () => {
  assert.deepEqual(failed({}), []);
});

test('every check has a protection that is taken away here', () => {
  assert.deepEqual(Object.keys(RED).sort(), CHECKS.map(({ id }) => id).sort());
});

for (const [id, changes] of Object.entries(RED)) {
  test(`${id} goes red when its protection is taken away, by create and by exec alike`, () => {
    for (const change of changes) {
      const weaker = parseFacts(told(change));
      assert.ok(failed({ create: weaker }).includes(id), `${id} by create: ${change}`);
      assert.deepEqual(failed({ exec: weaker }), failed({ create: weaker }), `${id} by exec: ${change}`);
    }
  });
}

test('a neighbour without a network must reach nothing, the internet neither', () => {
  const neighbour = parseFacts(told([undefined, 'reach\ttcp/1.1.1.1/443\tconnected'], NEIGHBOUR));
  assert.deepEqual(failed({ neighbour }), ['network.none']);
  assert.deepEqual(failed({ neighbour: parseFacts(told([/10\.9/, ''], NEIGHBOUR)) }), ['network.none']);
});

test('what the host sees from outside, an early end and a target that was not there are findings', () => {
  assert.deepEqual(failed({ outside: ['its memory is not limited'] }), ['outside']);
  assert.deepEqual(failed({ unproven: ['the neighbour does not answer'] }), ['complete']);
  assert.deepEqual(failed({ exec: parseFacts(told([/^end/, ''])) }), ['complete']);
});

test('what a kernel of its own answers is skipped with a reason, and its kernel must be another', () => {
  const checks = judge(
    {
      create: parseFacts(WHOLE.join('\n')),
      exec: parseFacts(''),
      neighbour: parseFacts(''),
      outside: [],
      unproven: [],
    },
    { ...EXPECTED, level: 'gvisor', kernel: 'own' },
  );
  for (const { outcome, reason } of checks) if (outcome === 'skipped') assert.ok((reason ?? '').length > 10);
  assert.ok(checks.some(({ id, outcome }) => id === 'calls.list' && outcome === 'skipped'));
  assert.deepEqual(failed({}, { kernel: 'own', version: 'Linux own' }), ['around.names']);
});

test('lines that are no facts are passed over, and a flood of them is cut', () => {
  const facts = parseFacts('no fact\n\tempty\nenv\tPATH\tx\n');
  assert.deepEqual([facts.all('env'), facts.value('env', 'PATH'), facts.of('nothing')], [['PATH'], 'x', []]);
  assert.equal(parseFacts(`${'x'.repeat(5 * MIB)}\nend\tyes`).value('end'), undefined);
});
