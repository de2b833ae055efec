/** What Firecracker's published description says of the requests that a machine is made, saved and restored with. */

type Check = (value: unknown) => boolean;

export interface Shape {
  readonly required: readonly string[];
  readonly fields: Readonly<Record<string, Check>>;
}

const text: Check = (value) => typeof value === 'string';
const yesNo: Check = (value) => typeof value === 'boolean';
const whole =
  (least = 0, most = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && words.includes(value);
const object =
  (shape: Shape): Check =>
  (value) =>
    faultOf(shape, value) === undefined;
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

const bucket = object({
  required: ['refill_time', 'size'],
  fields: { one_time_burst: whole(), refill_time: whole(), size: whole() },
});
const limiter = object({ required: [], fields: { bandwidth: bucket, ops: bucket } });
const hugePages = ['None', 'Transparent', '2M'];

export const SHAPES: Readonly<Record<string, Shape>> = {
  'PUT /actions': {
    required: ['action_type'],
    fields: { action_type: oneOf('FlushMetrics', 'InstanceStart', 'SendCtrlAltDel') },
  },
  'PUT /boot-source': {
    required: ['kernel_image_path'],
    fields: { boot_args: text, initrd_path: text, kernel_image_path: text },
  },
  'PUT /drives/{}': {
    required: ['drive_id', 'is_root_device'],
    fields: {
      ...{ drive_id: text, partuuid: text, is_root_device: yesNo, is_read_only: yesNo, path_on_host: text },
      cache_type: oneOf('Unsafe', 'Writeback'),
      ...{ rate_limiter: limiter, io_engine: oneOf('Sync', 'Async'), socket: text },
    },
  },
  'PUT /entropy': { required: [], fields: { rate_limiter: limiter } },
  'PUT /logger': {
    required: [],
    fields: {
      level: (value) => typeof value === 'string' && /^(error|warning|info|debug|trace|off)$/i.test(value),
      ...{ log_path: text, show_level: yesNo, show_log_origin: yesNo, module: text },
    },
  },
  'PUT /machine-config': {
    required: ['mem_size_mib', 'vcpu_count'],
    fields: {
      cpu_template: oneOf('C3', 'T2', 'T2S', 'T2CL', 'T2A', 'V1N1', 'None'),
      ...{ smt: yesNo, mem_size_mib: whole(1), track_dirty_pages: yesNo, vcpu_count: whole(1, 32) },
      huge_pages: oneOf(...hugePages),
    },
  },
  'PUT /network-interfaces/{}': {
    required: ['host_dev_name', 'iface_id'],
    fields: {
      guest_mac: (value) => typeof value === 'string' && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value),
      ...{ host_dev_name: text, iface_id: text, mtu: whole(68, 65_535) },
      ...{ rx_rate_limiter: limiter, tx_rate_limiter: limiter },
    },
  },
  'PUT /snapshot/create': {
    required: ['mem_file_path', 'snapshot_path'],
    fields: { mem_file_path: text, snapshot_path: text, snapshot_type: oneOf('Full', 'Diff') },
  },
  'PUT /snapshot/load': {
    required: ['snapshot_path'],
    fields: {
      ...{ enable_diff_snapshots: yesNo, track_dirty_pages: yesNo, mem_file_path: text, snapshot_path: text },
      mem_backend: object({
        required: ['backend_type', 'backend_path'],
        fields: { backend_type: oneOf('File', 'Uffd'), backend_path: text },
      }),
      ...{ resume_vm: yesNo, clock_realtime: yesNo, huge_pages: oneOf('Snapshot', ...hugePages) },
      network_overrides: listOf(
        object({ required: ['iface_id', 'host_dev_name'], fields: { iface_id: text, host_dev_name: text } }),
      ),
      vsock_override: object({ required: ['uds_path'], fields: { uds_path: text } }),
    },
  },
  'PUT /vsock': {
    required: ['guest_cid', 'uds_path'],
    fields: { guest_cid: whole(3, 2 ** 32 - 1), uds_path: text, vsock_id: text },
  },
  'PATCH /vm': { required: ['state'], fields: { state: oneOf('Paused', 'Resumed') } },
};

/** What is wrong with a body, or undefined. A field that the description does not know is wrong, too. */
export function faultOf({ required, fields }: Shape, body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'the body is no object';
  const missing = required.find((name) => !(name in body));
  if (missing !== undefined) return `missing field \`${missing}\``;
  for (const [name, value] of Object.entries(body)) {
    const check = fields[name];
    if (check === undefined) return `unknown field \`${name}\``;
    if (!check(value)) return `invalid value for \`${name}\`: ${JSON.stringify(value)}`;
  }
  return undefined;
}
