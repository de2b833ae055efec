import { linkAddress } from '../../host/helper/netlink.ts';
import { TAP } from './monitor.ts';

const BRIDGE = 'bridge0';
/** Ends of a slot: the host's, the sandbox's, and the one that the veth itself takes when the machine has the sandbox's. */
const END = { host: 0, sandbox: 1, between: 2 } as const;

export function macOf(slot: number, end: keyof typeof END): string {
  return [...linkAddress(slot, END[end])].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * What `ip -batch` is told inside the sandbox's network namespace: the machine gets the address that the veth had, at a tap
 * on a bridge with it. All its traffic goes by the veth and meets the same rules as any sandbox's.
 * @param owner host uid that may open the tap
 */
export function tapBatch(slot: number, owner: number, mtu: number): string {
  return `${[
    `link add ${BRIDGE} type bridge`,
    `link set dev ${BRIDGE} addrgenmode none`,
    `tuntap add dev ${TAP} mode tap user ${owner}`,
    `link set dev ${TAP} addrgenmode none mtu ${mtu}`,
    'address flush dev eth0',
    `link set dev eth0 address ${macOf(slot, 'between')}`,
    `link set dev eth0 master ${BRIDGE}`,
    `link set dev ${TAP} master ${BRIDGE}`,
    `link set dev ${TAP} up`,
    `link set dev ${BRIDGE} up`,
  ].join('\n')}\n`;
}
