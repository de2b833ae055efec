import { isIPv4 } from 'node:net';
import { ArcError } from '../../contract/errors.ts';
import type { HelperStart } from './port.ts';

/**
 * The network of one sandbox as rtnetlink messages, which the helper sends as they are: one routed veth, no bridge, no
 * ARP (fixed addresses and permanent neighbours on both ends). Kept here, where it can be read and tested, so that
 * what runs as root beside every sandbox stays small.
 */

/** Stands for the index of the interface, which is known only once it is made; the helper puts it in. */
export const INDEX = 0x7fa7c001;
/** Where the worker holds the sandbox's network namespace. */
const NETNS_FD = 101;
const LOOPBACK_INDEX = 1;

const RTM = { newLink: 16, newAddr: 20, newRoute: 24, newNeigh: 28 } as const;
const REQUEST_ACK = 0x5;
const REPLACE = 0x100;
const EXCL = 0x200;
const CREATE = 0x400;
const AF_INET = 2;
const IFF_UP = 1;
const IFLA = {
  address: 1,
  ifname: 3,
  mtu: 4,
  linkinfo: 18,
  netNsFd: 28,
  infoKind: 1,
  infoData: 2,
  vethPeer: 1,
} as const;
const IFA = { address: 1, local: 2 } as const;
const RTA = { dst: 1, oif: 4, gateway: 5, prefSrc: 7 } as const;
const NDA = { dst: 1, lladdr: 2 } as const;
const ROUTE = { tableMain: 254, protocolStatic: 4, scopeUniverse: 0, scopeLink: 253, unicast: 1 } as const;
const NUD_PERMANENT = 0x80;

export interface NetMessages {
  /** Makes the pair: sent on the host. */
  readonly pair: Buffer;
  /** Sent on the host, with the index of its end. */
  readonly host: Buffer;
  /** Sent inside the sandbox's network namespace, with the index of eth0. */
  readonly inside: Buffer;
}

/** Hardware address of an end of a slot's veth: 0 the host's, 1 the sandbox's. */
export function linkAddress(slot: number, end: number): Buffer {
  return Buffer.from([0x02, 0x61, 0x72, end, slot >> 8, slot & 255]);
}

export function netMessages(order: Pick<HelperStart, 'net' | 'slot'>): NetMessages {
  const { net, slot } = order;
  const address = ipv4(net.address);
  const gateway = ipv4(net.gateway);
  const mac = (end: number) => linkAddress(slot, end);
  const link = (name: string, end: number) => [
    attribute(IFLA.ifname, text(name)),
    attribute(IFLA.mtu, word(net.mtu)),
    attribute(IFLA.address, mac(end)),
  ];
  const peer = Buffer.concat([linkBody(0, 0), ...link('eth0', 1), attribute(IFLA.netNsFd, word(NETNS_FD))]);
  const info = Buffer.concat([
    attribute(IFLA.infoKind, Buffer.from('veth')),
    attribute(IFLA.infoData, attribute(IFLA.vethPeer, peer)),
  ]);
  return {
    pair: message(
      RTM.newLink,
      CREATE | EXCL,
      linkBody(0, 0),
      ...link(net.hostInterface, 0),
      attribute(IFLA.linkinfo, info),
    ),
    // The gateway's address is the host's on this link, so that a host without any other address reaches its sandboxes,
    // and none of its other addresses shows inside.
    host: Buffer.concat([
      up(INDEX),
      ownAddress(gateway, ROUTE.scopeLink),
      neighbour(address, mac(1)),
      route({ to: address, from: gateway }),
    ]),
    inside: Buffer.concat([
      up(LOOPBACK_INDEX),
      ownAddress(address, ROUTE.scopeUniverse),
      up(INDEX),
      neighbour(gateway, mac(0)),
      route({ to: gateway }),
      route({ via: gateway }),
    ]),
  };
}

function message(type: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(head.length + body.length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(REQUEST_ACK | flags, 6);
  return Buffer.concat([head, body]);
}

/** Length, type, value, and padding to four bytes, which the length does not count. */
function attribute(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(head.length + value.length, 0);
  head.writeUInt16LE(type, 2);
  return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)]);
}

/** struct ifinfomsg */
function linkBody(index: number, flags: number): Buffer {
  const body = Buffer.alloc(16);
  body.writeInt32LE(index, 4);
  body.writeUInt32LE(flags, 8);
  body.writeUInt32LE(flags, 12);
  return body;
}

const up = (index: number) => message(RTM.newLink, 0, linkBody(index, IFF_UP));

/** struct ifaddrmsg */
function ownAddress(address: Buffer, scope: number): Buffer {
  const body = Buffer.from([AF_INET, 32, 0, scope, 0, 0, 0, 0]);
  body.writeUInt32LE(INDEX, 4);
  return message(RTM.newAddr, CREATE | EXCL, body, attribute(IFA.local, address), attribute(IFA.address, address));
}

/** struct ndmsg */
function neighbour(address: Buffer, mac: Buffer): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt8(AF_INET, 0);
  body.writeUInt32LE(INDEX, 4);
  body.writeUInt16LE(NUD_PERMANENT, 8);
  return message(RTM.newNeigh, CREATE | REPLACE, body, attribute(NDA.dst, address), attribute(NDA.lladdr, mac));
}

/** struct rtmsg: to one address on the link, or everything else by a gateway. */
function route(way: { readonly to: Buffer; readonly from?: Buffer } | { readonly via: Buffer }): Buffer {
  const one = 'to' in way;
  const scope = one ? ROUTE.scopeLink : ROUTE.scopeUniverse;
  const body = Buffer.from([
    AF_INET,
    one ? 32 : 0,
    0,
    0,
    ROUTE.tableMain,
    ROUTE.protocolStatic,
    scope,
    ROUTE.unicast,
    0,
    0,
    0,
    0,
  ]);
  const where = one ? attribute(RTA.dst, way.to) : attribute(RTA.gateway, way.via);
  const source = one && way.from ? [attribute(RTA.prefSrc, way.from)] : [];
  return message(RTM.newRoute, CREATE | REPLACE, body, where, attribute(RTA.oif, word(INDEX)), ...source);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const text = (value: string) => Buffer.from(`${value}\0`);

function ipv4(value: string): Buffer {
  if (!isIPv4(value)) throw new ArcError('invalid_request', `${JSON.stringify(value)} is not an IPv4 address`);
  return Buffer.from(value.split('.').map(Number));
}
