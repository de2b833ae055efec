import { fileURLToPath } from 'node:url';
import type { Clock } from '../../../kit/clock.ts';
import { INSIDE, type Machine, type MachineFiles, type Monitor, TAP } from '../monitor.ts';
import { confined } from './confine.ts';
import { saveByMigration } from './save.ts';

const MIB = 1024 * 1024;
/** Translated code is kept in this much, by emulation only. */
const TRANSLATED_MIB = 64;
const OWN_BYTES = 128 * MIB;
const LAUNCH = fileURLToPath(new URL('launch.sh', import.meta.url));

export interface QemuOptions {
  readonly program: string;
  /** Absolute path of bubblewrap. */
  readonly bwrap: string;
  /** Node by which machines are made, or undefined where there is no KVM. */
  readonly kvm: string | undefined;
  /** Of the host's processors. By emulation the kernel inside has nothing to measure its clock by. */
  readonly tscKhz: number;
  readonly clock: Clock;
}

/**
 * QEMU's `microvm`: no PCI, no firmware to speak of, virtio alone. Its own seccomp filter is on, it may start nothing, and
 * its console is a ring in memory, so that no machine can fill a disk.
 */
export function qemu(options: QemuOptions): Monitor {
  const { program, bwrap, kvm, clock } = options;
  const box = (machine: Machine, files: MachineFiles) =>
    confined(bwrap, kvm, machine, files, qemuArgv(options, machine));
  return {
    name: 'qemu',
    program,
    emulated: kvm === undefined,
    overheadBytes: OWN_BYTES + (kvm === undefined ? TRANSLATED_MIB * MIB : 0),
    saverUid: 0,
    launch: (machine, files) => ({
      argv: ['/bin/sh', LAUNCH, files.tap ?? '', files.saved ?? '/dev/null', ...box(machine, files)],
      pidFile: 'state/pid',
      follow: 'runtime',
    }),
    alone: box,
    begin: async () => {}, // its command line says it all
    save: (machine, state, signal) => saveByMigration(machine, state, clock, signal),
  };
}

function qemuArgv({ program, kvm, tscKhz }: QemuOptions, machine: Machine): readonly string[] {
  const translated = `tcg,thread=single,tb-size=${TRANSLATED_MIB}`;
  const here = kvm !== undefined;
  return [
    program,
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-name', 'arc'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-pidfile', INSIDE.pid],
    ...['-accel', here ? 'kvm' : translated],
    ...['-M', 'microvm,pit=off,pic=off,rtc=on,isa-serial=on,memory-backend=memory', '-cpu', here ? 'host' : 'max'],
    ...['-m', `${Math.ceil(machine.memoryBytes / MIB)}M`, '-smp', String(machine.cpus)],
    ...['-object', `memory-backend-memfd,id=memory,size=${Math.ceil(machine.memoryBytes / MIB)}M,share=off`],
    ...['-kernel', INSIDE.kernel, '-initrd', INSIDE.initrd, '-append', commandLine(here, tscKhz)],
    ...['-chardev', 'ringbuf,id=console,size=65536', '-serial', 'chardev:console'],
    ...['-qmp', `unix:${INSIDE.control},server=on,wait=off`],
    ...channels(machine.purpose === 'save'),
    ...disk('root', INSIDE.root, true),
    ...disk('exit', INSIDE.exit, false),
    ...(machine.diskBytes === undefined ? [] : disk('disk', INSIDE.disk, false)),
    ...['-netdev', machine.purpose === 'save' ? 'hubport,id=net,hubid=0' : TAP_DEVICE],
    ...['-device', `virtio-net-device,netdev=net,mac=${machine.mac},host_mtu=${machine.mtu}`],
    ...(machine.purpose === 'load' ? ['-incoming', 'fd:3'] : []),
  ];
}

const TAP_DEVICE = `tap,id=net,ifname=${TAP},script=no,downscript=no`;

function commandLine(kvm: boolean, tscKhz: number): string {
  const clock = kvm ? [] : [`tsc_early_khz=${tscKhz}`, 'tsc=reliable', 'no_timer_check'];
  const quick = ['quiet', 'loglevel=1', 'cryptomgr.notests', 'random.trust_cpu=on', 'i8042.noaux', 'audit=0'];
  return ['console=ttyS0', 'rdinit=/init', 'panic=-1', 'reboot=t', ...quick, ...clock].join(' ');
}

/** The host's end of a port: commands and files at a socket; what the program prints at the helper's pipes. */
function channels(silent: boolean): readonly string[] {
  const printed = (name: string, number: number, path: string) => [
    ...['-chardev', silent ? `null,id=${name}` : `file,id=${name},path=${path},append=on`],
    ...['-device', `virtserialport,nr=${number},chardev=${name},name=arc.${name}`],
  ];
  return [
    ...['-device', 'virtio-serial-device,max_ports=4'],
    ...['-chardev', `socket,id=guest,path=${INSIDE.guest},server=on,wait=off`],
    ...['-device', 'virtserialport,nr=1,chardev=guest,name=arc.guest'],
    ...printed('stdout', 2, INSIDE.stdout),
    ...printed('stderr', 3, INSIDE.stderr),
  ];
}

function disk(name: string, path: string, readOnly: boolean): readonly string[] {
  const options = `driver=file,node-name=${name},filename=${path},read-only=${readOnly ? 'on' : 'off'}`;
  return ['-blockdev', options, '-device', `virtio-blk-device,drive=${name},serial=${name}`];
}
