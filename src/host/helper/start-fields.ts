import type { HelperStart } from './port.ts';
import type { Field } from './wire.ts';

/** Quotas are per this period, in both kinds of cgroup. */
export const CPU_PERIOD_US = 100_000;
/** The kernel refuses smaller quotas. */
const CPU_QUOTA_US_MIN = 1_000;

export function startFields(order: HelperStart): Field[] {
  return [
    ['id', order.id],
    ['inc', order.incarnation],
    ['dir', order.dir],
    ['slot', order.slot],
    ['hostBase', order.ids.hostBase],
    ['idCount', order.ids.count],
    ['address', order.net.address],
    ['gateway', order.net.gateway],
    ['hostif', order.net.hostInterface],
    ['mtu', order.net.mtu],
    ...order.lowers.map((lower): Field => ['lower', lower]),
    ['idmap', order.idmap],
    ['upperKind', order.upper.kind],
    ['upperBytes', order.upper.bytes],
    ['upperInodes', order.upper.inodes],
    ...(order.upper.blank === undefined ? [] : [['blank', order.upper.blank] satisfies Field]),
    ['fresh', order.upper.fresh ? 1 : 0],
    ['rootMount', order.rootMount],
    ['memory', order.cgroup.memoryBytes],
    ['cpuQuotaUs', Math.max(CPU_QUOTA_US_MIN, Math.round(order.cgroup.cpus * CPU_PERIOD_US))],
    ['pids', order.cgroup.pids],
    ['logBytes', order.log.bytes],
    ['stdioUid', order.stdioUid],
    ...order.argv.map((arg): Field => ['arg', arg]),
    ['pidFile', order.pidFile],
    ['timeoutMs', order.timeoutMs],
    ['follow', order.follow],
  ];
}
