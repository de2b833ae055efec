import { INSIDE, type Machine, TAP } from '../monitor.ts';

const MIB = 1024 * 1024;
/** 0 to 2 stand for the hypervisor, the machine itself and its host. */
const GUEST_CID = 3;
const VCPUS_MAX = 32;

/** One request to Firecracker's API, in the words of its published description. */
export interface Call {
  readonly method: 'GET' | 'PUT' | 'PATCH';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
}

const put = (path: string, body: Readonly<Record<string, unknown>>): Call => ({ method: 'PUT', path, body });

/**
 * All that makes a machine, in the order in which it is said. Drives are found inside by their order. A machine that begins
 * as saved has its devices from there: its files lie at the same places in every jail, so nothing has to be overridden.
 */
export function beginCalls(machine: Machine): readonly Call[] {
  if (machine.purpose === 'load') {
    const memory = { backend_type: 'File', backend_path: INSIDE.memory };
    return [put('/snapshot/load', { snapshot_path: INSIDE.saved, mem_backend: memory, resume_vm: true })];
  }
  return [
    put('/machine-config', {
      vcpu_count: vcpus(machine.cpus),
      mem_size_mib: Math.ceil(machine.memoryBytes / MIB),
      smt: false,
      track_dirty_pages: false,
    }),
    put('/boot-source', {
      kernel_image_path: INSIDE.kernel,
      initrd_path: INSIDE.initrd,
      boot_args: COMMAND_LINE,
    }),
    drive('root', INSIDE.root, true),
    drive('exit', INSIDE.exit, false),
    ...(machine.diskBytes === undefined ? [] : [drive('disk', INSIDE.disk, false)]),
    put('/network-interfaces/net', { iface_id: 'net', guest_mac: machine.mac, host_dev_name: TAP }),
    put('/vsock', { guest_cid: GUEST_CID, uds_path: INSIDE.guest }),
    put('/entropy', {}),
    put('/actions', { action_type: 'InstanceStart' }),
  ];
}

/** A machine is saved while it stands still; it is not needed any more afterwards. */
export function saveCalls(): readonly Call[] {
  const files = { snapshot_path: INSIDE.saving, mem_file_path: INSIDE.savingMemory };
  return [
    { method: 'PATCH', path: '/vm', body: { state: 'Paused' } },
    put('/snapshot/create', { snapshot_type: 'Full', ...files }),
  ];
}

/** No console: what the kernel says would stand in the sandbox's log. */
const COMMAND_LINE = [
  ...['rdinit=/init', 'arc.channel=vsock', '8250.nr_uarts=0', 'panic=-1', 'reboot=k', 'quiet', 'loglevel=1'],
  ...['cryptomgr.notests', 'random.trust_cpu=on', 'i8042.noaux', 'i8042.nomux', 'audit=0'],
].join(' ');

/** Written through, since how a program ended is read when the machine is gone. */
function drive(id: string, path: string, readOnly: boolean): Call {
  const how = { is_root_device: false, is_read_only: readOnly, cache_type: readOnly ? 'Unsafe' : 'Writeback' };
  return put(`/drives/${id}`, { drive_id: id, path_on_host: path, ...how });
}

/** One, or an even number. */
function vcpus(cpus: number): number {
  return cpus <= 1 ? 1 : Math.min(VCPUS_MAX, Math.ceil(cpus / 2) * 2);
}
