import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from '../../../kit/real.ts';
import { capabilityMask } from '../capabilities.ts';
import type { Machine } from '../monitor.ts';
import { macOf, tapBatch } from '../tap.ts';
import { qemu } from './qemu.ts';

const MACHINE: Machine = {
  ...{ memoryBytes: 160 * 1024 * 1024, cpus: 1, mac: macOf(258, 'sandbox'), mtu: 1500, purpose: 'boot' },
};
const KIT = {
  id: 'k',
  version: '6.1',
  kernel: '/kit/vmlinux',
  initrd: '/kit/initrd',
  tun: '/kit/tun',
  kvm: '/kit/kvm',
};
const FILES = {
  kit: KIT,
  root: '/roots/a.erofs',
  state: '/sb/state',
  owner: 70_000,
  printed: { stdout: '/sb/out', stderr: '/sb/err' },
};
const PROGRAMS = { program: '/usr/bin/qemu', bwrap: '/usr/bin/bwrap', clock: realClock };
const monitor = (kvm: boolean) => qemu({ ...PROGRAMS, kvm: kvm ? KIT.kvm : undefined, tscKhz: 2_000_000 });
const argvOf = (kvm: boolean, machine = MACHINE) => monitor(kvm).alone(machine, FILES);
const after = (argv: readonly string[], flag: string): string | undefined => argv[argv.indexOf(flag) + 1];

test('the monitor has no right, no host network and nothing of the host to write but its own folder and pipes', () => {
  const argv = argvOf(false);
  assert.equal(after(argv, '--cap-drop'), 'ALL');
  const writable = argv.flatMap((one, index) => (one === '--bind' ? [argv[index + 1]] : []));
  assert.deepEqual(writable, ['/sb/state', '/sb/out', '/sb/err']);
  const devices = argv.flatMap((one, index) => (one === '--dev-bind' ? [argv[index + 1]] : []));
  assert.deepEqual(devices, ['/dev/null', '/dev/urandom', '/kit/tun']);
  assert.match(after(argv, '-sandbox') ?? '', /^on,.*elevateprivileges=deny,spawn=deny/);
  assert.ok(!argv.includes('/proc'));
});

test('with KVM it takes that device and the processor as it is; without, it translates', () => {
  assert.equal(after(argvOf(true), KIT.kvm), '/dev/kvm');
  assert.equal(after(argvOf(true), '-cpu'), 'host');
  assert.doesNotMatch(after(argvOf(true), '-append') ?? '', /tsc_early_khz/);
  assert.match(after(argvOf(false), '-accel') ?? '', /^tcg/);
  assert.equal(monitor(false).emulated, true);
});

test('a machine that is booted to be saved has no network and no program to print anything', () => {
  const argv = argvOf(false, { ...MACHINE, purpose: 'save' });
  assert.ok(argv.includes('--unshare-net') && argv.includes('--unshare-user'));
  assert.equal(after(argv, '-netdev'), 'hubport,id=net,hubid=0');
  assert.ok(!argv.includes('/kit/tun') && !argv.some((one) => one.startsWith('file,')));
});

test('a machine that starts from a saved one is the same machine', () => {
  const shape = (purpose: Machine['purpose']) =>
    argvOf(false, { ...MACHINE, purpose }).filter((one) => /^virtio|^virtserial|^microvm|^memory-/.test(one));
  assert.deepEqual(shape('load'), shape('save'));
  assert.equal(after(argvOf(false, { ...MACHINE, purpose: 'load' }), '-incoming'), 'fd:3');
});

test('the machine has the address that the veth had, at a tap that only its owner may open', () => {
  const batch = tapBatch(258, 70_000, 1450);
  assert.match(batch, /^tuntap add dev tap0 mode tap user 70000$/m);
  assert.match(batch, /^link set dev eth0 address 02:61:72:02:01:02$/m);
  assert.equal(macOf(258, 'sandbox'), '02:61:72:01:01:02');
});

test('capabilities are told by number, and what has no name gives nothing', () => {
  assert.equal(capabilityMask([]), '0');
  assert.equal(capabilityMask(['CHOWN', 'NET_BIND_SERVICE']), '401');
  assert.equal(capabilityMask(['NO_SUCH_THING']), '0');
});
