/** How much sandboxes send out, and by which protocols; run by `flow.test.ts`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { flowOf } from '../../../src/domain/network/flow.ts';
import { HOST_UPLINK, LISTENER, netOf, reaches, report, run, start, within } from './host-world.ts';
import type { LocalWorld } from './local-world.ts';

const RESOLVER = '8.8.8.8';
const PRIVATE = '10.1.2.3';
const SENT_BYTES = 2 * 1024 * 1024;
const HELD = 24;

export const MOST = { bandwidthBytes: 512 * 1024, connections: 10 } as const;
/** The least time in which so much can go at that rate: the kernel lets a second's worth and the burst go at once. */
export const LEAST_MS = ((SENT_BYTES - flowOf(MOST).burstBytes) / MOST.bandwidthBytes - 1) * 1000;

/** A sink that answers when it has all, echoes by UDP, and a list of what they were sent. */
const SERVICES = `
const heard = [];
require('node:net').createServer((socket) => {
  let bytes = 0;
  socket.on('error', () => {});
  socket.on('data', (data) => (bytes += data.length) >= ${SENT_BYTES} && socket.end('all ' + bytes));
}).listen(9000, '${RESOLVER}');
for (const host of ['${RESOLVER}', '${PRIVATE}']) {
  for (const port of [53, 9001]) {
    const echo = require('node:dgram').createSocket('udp4');
    echo.on('message', (data, from) => { heard.push(String(data)); echo.send(data, from.port, from.address); });
    echo.bind(port, host);
  }
}
require('node:net').createServer((socket) => socket.end()).listen(53, '${RESOLVER}');
require('node:http').createServer((_, answer) => answer.end(JSON.stringify(heard))).listen(81, '0.0.0.0');
`;

export const ICMP_PUBLIC = `icmp:${RESOLVER}`;
export const UDP_PUBLIC = `udp:${RESOLVER}:9001`;
export const DNS_TCP = `${RESOLVER}:53`;
export const DNS_UDP = `udp:${RESOLVER}:53`;
const REFUSED = [`icmp:${PRIVATE}`, `udp:${PRIVATE}:9001`, `udp:${PRIVATE}:53`, `icmp:${HOST_UPLINK}`];
const TRIED = [ICMP_PUBLIC, UDP_PUBLIC, DNS_TCP, DNS_UDP, ...REFUSED];

export interface Flow {
  readonly tried: readonly string[];
  readonly beside: readonly string[];
  readonly none: readonly string[];
  readonly public: readonly string[];
  /** A list of networks; with ports; of names. */
  readonly networks: readonly string[];
  readonly ports: readonly string[];
  readonly names: readonly string[];
  /** Lookups by TCP of the node's own resolver. */
  readonly ownResolver: { readonly names: boolean; readonly none: boolean };
  readonly sent: { readonly limited: Sent; readonly usual: Sent };
  /** Connections that were open at once, of so many that were tried. */
  readonly held: { readonly limited: number; readonly usual: number; readonly tried: number; readonly later: number };
  readonly heard: readonly string[];
}
interface Sent {
  readonly ms: number;
  readonly answer: string;
}

async function send(at: LocalWorld, from: Parameters<typeof run>[1]): Promise<Sent> {
  const begun = performance.now();
  const script = `head -c ${SENT_BYTES} /dev/zero | nc ${RESOLVER} 9000`;
  const { text } = await run(at, from, ['sh', '-c', script]);
  return { ms: performance.now() - begun, answer: text };
}

/** Datagrams as the host's root inside its namespace, from an address that a neighbour has, and from its own. */
async function heardFrom(at: LocalWorld, from: Awaited<ReturnType<typeof start>>, forged: string) {
  const net = await netOf(at, from);
  within(net, ['ip', 'addr', 'add', `${forged}/32`, 'dev', 'eth0']);
  const say = (source: string, word: string) => {
    const script = `const s=require('node:dgram').createSocket('udp4');s.bind(0,'${source}',()=>{let n=0;const go=()=>s.send('${word}',9001,'${RESOLVER}',()=>++n<5?go():s.close());go()})`;
    within(net, [process.execPath, '-e', script]);
  };
  say(forged, 'forged');
  say(from.address, 'own');
  within(net, ['ip', 'addr', 'del', `${forged}/32`, 'dev', 'eth0']);
  const list = spawnSync('/bin/busybox', ['wget', '-qO-', `http://${RESOLVER}:81/`], { encoding: 'utf8' });
  return (JSON.parse(list.stdout) as string[]).filter((word) => word === 'forged' || word === 'own');
}

async function look(at: LocalWorld): Promise<Flow> {
  spawnSync('/usr/sbin/sysctl', ['-qw', 'net.ipv4.ping_group_range=0 2147483647']);
  const beside = spawnSync(join(at.lower, 'bin/reach'), TRIED, { encoding: 'utf8' }).stdout.split('\n');
  const closed = await start(at, 'none');
  const open = await start(at, 'public');
  const networks = await start(at, { allow: ['8.8.8.0/24'] });
  const ports = await start(at, { allow: ['8.8.8.0/24'], ports: ['9001'] });
  const names = await start(at, { allow: ['ok.example.org'] });
  const limited = await start(at, 'public', MOST);
  const own = `${at.node.plan.gateway}:53`;
  const held = async (from: typeof open) =>
    (await run(at, from, ['reach', ...Array<string>(HELD).fill(`${RESOLVER}:80`)])).text.trim().split('\n').length;
  const found = {
    ...{ tried: TRIED, beside: TRIED.filter((target) => beside.includes(target)) },
    none: await tries(at, closed),
    public: await tries(at, open),
    networks: await tries(at, networks),
    ports: await tries(at, ports),
    names: await tries(at, names),
    ownResolver: {
      names: (await reaches(at, names, [own])).length > 0,
      none: (await reaches(at, closed, [own])).length > 0,
    },
    held: { limited: await held(limited), usual: await held(open), tried: HELD, later: await held(limited) },
    sent: { usual: await send(at, open), limited: await send(at, limited) },
  };
  return { ...found, heard: await heardFrom(at, open, closed.address) };
}

async function tries(at: LocalWorld, from: Parameters<typeof run>[1]): Promise<readonly string[]> {
  const reached = (await run(at, from, ['reach', ...TRIED])).text.split('\n');
  return TRIED.filter((target) => reached.includes(target));
}

if (import.meta.main) await report(`${SERVICES}${LISTENER}`, look);
