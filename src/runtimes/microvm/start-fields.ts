import type { ResolvedSpec } from '../../contract/spec.ts';
import { inodesFor, roundedSize } from '../../host/disk/blanks.ts';
import type { Field } from '../../host/helper/wire.ts';
import { hosts, resolvConf } from '../oci/names.ts';
import type { OciProcess } from '../oci/process.ts';
import type { StartOrder } from '../runtime.ts';
import { capabilityMask } from './capabilities.ts';
import { macOf } from './tap.ts';

const CPU_PERIOD_US = 100_000;
const SHM_BYTES_MAX = 64 * 1024 * 1024;

export interface GuestOrder {
  readonly order: StartOrder;
  readonly program: OciProcess;
  readonly address: string;
  readonly gateway: string;
  readonly mtu: number;
  readonly resolvers: readonly string[];
  /** ms since the epoch. */
  readonly now: number;
  /** 64 bytes that nobody else gets. */
  readonly entropy: Uint8Array;
  /** 16 bytes. */
  readonly machineId: Uint8Array;
}

/** All that a machine is told of the sandbox that it is to be, `native/guest/` reads it. */
export function startFields(guest: GuestOrder): readonly Field[] {
  const { order, program } = guest;
  const { id, incarnation, slot, spec } = order;
  const bytes = roundedSize(spec.limits.diskBytes);
  return [
    ['id', id],
    ['inc', incarnation],
    ['hostname', id],
    ['timeNs', String(BigInt(Math.round(guest.now)) * 1_000_000n)],
    ['entropy', Buffer.from(guest.entropy).toString('hex')],
    ['address', guest.address],
    ['gateway', guest.gateway],
    ['mac', macOf(slot, 'sandbox')],
    ['gatewayMac', macOf(slot, 'host')],
    ['mtu', guest.mtu],
    ['upperKind', spec.limits.diskKind],
    ['upperBytes', bytes],
    ['upperInodes', inodesFor(bytes)],
    ['shmBytes', Math.min(SHM_BYTES_MAX, Math.floor(spec.limits.memoryBytes / 2))],
    ...limits(spec).map((limit): Field => ['limit', limit]),
    ...file('/etc/hostname', `${id}\n`),
    ...file('/etc/hosts', hosts({ id, address: guest.address, resolvers: [], holdTmp: false })),
    ...file('/etc/resolv.conf', resolvConf(guest.resolvers)),
    ...file('/etc/machine-id', `${Buffer.from(guest.machineId).toString('hex')}\n`),
    ...programFields(spec, program),
  ];
}

/** Who a program is, what it may, what it runs: for the first one and for commands alike. */
export function programFields(spec: ResolvedSpec, program: OciProcess): readonly Field[] {
  const openFiles = program.rlimits.find(({ type }) => type === 'RLIMIT_NOFILE')?.hard ?? spec.limits.openFiles;
  return [
    ['uid', program.user.uid],
    ['gid', program.user.gid],
    ...program.user.additionalGids.map((gid): Field => ['group', gid]),
    ['caps', capabilityMask(spec.capabilities)],
    ['openFiles', openFiles],
    ['cwd', program.cwd],
    ...program.env.map((one): Field => ['env', one]),
    ...program.args.map((word): Field => ['command', word]),
  ];
}

function limits({ limits }: ResolvedSpec): readonly string[] {
  return [
    `memory.max=${limits.memoryBytes}`,
    `pids.max=${limits.pids}`,
    `cpu.max=${Math.max(1000, Math.round(limits.cpus * CPU_PERIOD_US))} ${CPU_PERIOD_US}`,
  ];
}

const file = (path: string, content: string): readonly Field[] => [
  ['file', path],
  ['content', content],
];
