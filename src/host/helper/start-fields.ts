import { netMessages } from './netlink.ts';
import type { HelperStart } from './port.ts';
import type { Field } from './wire.ts';

/** Quotas are per this period, in both kinds of cgroup. */
export const CPU_PERIOD_US = 100_000;
/** The kernel refuses smaller quotas. */
const CPU_QUOTA_US_MIN = 1_000;

export function startFields(order: HelperStart, cgroupVersion: 1 | 2): Field[] {
  const net = netMessages(order);
  return [
    ['id', order.id],
    ['inc', order.incarnation],
    ['dir', order.dir],
    ['slot', order.slot],
    ['hostBase', order.ids.hostBase],
    ['idCount', order.ids.count],
    ['hostif', order.net.hostInterface],
    ['netPair', net.pair.toString('hex')],
    ['netHost', net.host.toString('hex')],
    ['netInside', net.inside.toString('hex')],
    ...limits(order.cgroup, cgroupVersion).map((limit): Field => ['limit', limit]),
    ...order.lowers.map((lower): Field => ['lower', lower]),
    ['idmap', order.idmap],
    ['upperKind', order.upper.kind],
    ['upperBytes', order.upper.bytes],
    ['upperInodes', order.upper.inodes],
    ...(order.upper.blank === undefined ? [] : [['blank', order.upper.blank] satisfies Field]),
    ['fresh', order.upper.fresh ? 1 : 0],
    ['rootMount', order.rootMount],
    ['logBytes', order.log.bytes],
    ['logRate', order.log.bytesPerSecond],
    ['stdioUid', order.stdioUid],
    ...order.argv.map((arg): Field => ['arg', arg]),
    ['pidFile', order.pidFile],
    ['timeoutMs', order.timeoutMs],
    ['follow', order.follow],
    ...(order.sealed ? [['sealed', 1] satisfies Field] : []),
  ];
}

/** Files of the sandbox's cgroup and what goes into them. After `?`: left out where the kernel has no such file. */
export function limits(cgroup: HelperStart['cgroup'], version: 1 | 2): readonly string[] {
  const { memoryBytes, pids } = cgroup;
  const quota = Math.max(CPU_QUOTA_US_MIN, Math.round(cgroup.cpus * CPU_PERIOD_US));
  if (version === 2) {
    return [`memory.max=${memoryBytes}`, '?memory.swap.max=0', `cpu.max=${quota} ${CPU_PERIOD_US}`, `pids.max=${pids}`];
  }
  return [
    `memory.limit_in_bytes=${memoryBytes}`,
    `?memory.memsw.limit_in_bytes=${memoryBytes}`,
    `cpu.cfs_period_us=${CPU_PERIOD_US}`,
    `cpu.cfs_quota_us=${quota}`,
    `pids.max=${pids}`,
  ];
}
