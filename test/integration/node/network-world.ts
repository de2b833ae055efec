/**
 * Runs in a network namespace of its own, started by `network.test.ts`. It is a host there, with an uplink to an "outside" that
 * answers on every address that matters, and prints what sandboxes could reach as one line of JSON.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { encodeId } from '../../../src/contract/ids.ts';
import type { ResolvedSpec } from '../../../src/contract/spec.ts';
import type { Target } from '../../../src/engines/engine.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { addProgram, newId, specOf } from './harness.ts';
import { ip, type LocalWorld, localWorld } from './local-world.ts';

export const PUBLIC = ['8.8.8.8', '93.184.216.34'];
export const REFUSED = [
  '169.254.169.254',
  '169.254.170.2',
  '100.100.100.200',
  '100.64.0.9',
  '168.63.129.16',
  '192.0.0.192',
  '10.1.2.3',
  '172.16.5.5',
  '192.168.9.9',
  '198.18.0.7',
];
const HOST_UPLINK = '45.0.0.2';
const RANGE = '10.199.0.0/16';
const OUTSIDE = `arc-out-${process.pid}`;
const TRY_MS = 1500;

export interface Findings {
  /** Addresses that the host itself reaches: proof that something listens there. */
  readonly beside: readonly string[];
  readonly none: Reached;
  readonly public: Reached;
  readonly fromHost: { readonly none: boolean; readonly public: boolean };
  readonly fromOutside: { readonly none: boolean; readonly public: boolean };
  readonly spoofed: boolean;
  readonly ownSource: boolean;
  readonly ipv6: string;
  readonly rules: { readonly before: number; readonly after: number };
  readonly restored: boolean;
  readonly afterFlush: Reached;
  readonly sandboxRange: string;
}
export interface Reached {
  readonly outside: readonly string[];
  readonly host: readonly string[];
  readonly sandboxes: readonly string[];
}

/** Answers on port 80 of whatever address of its namespace. */
export const LISTENER =
  "require('node:http').createServer((_, answer) => answer.end('here')).listen(80, '0.0.0.0', () => console.log('up'))";

export async function makeOutside(script = LISTENER): Promise<() => void> {
  ip('link', 'set', 'lo', 'up');
  ip('netns', 'add', OUTSIDE);
  ip('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', OUTSIDE);
  ip('addr', 'add', `${HOST_UPLINK}/24`, 'dev', 'uplink');
  ip('link', 'set', 'uplink', 'up');
  ip('-n', OUTSIDE, 'addr', 'add', '45.0.0.1/24', 'dev', 'eth0');
  ip('-n', OUTSIDE, 'link', 'set', 'eth0', 'up');
  ip('-n', OUTSIDE, 'link', 'set', 'lo', 'up');
  for (const address of [...PUBLIC, ...REFUSED]) ip('-n', OUTSIDE, 'addr', 'add', `${address}/32`, 'dev', 'lo');
  ip('route', 'add', 'default', 'via', '45.0.0.1');
  // A neighbour that uses the host as its router tries to get at the sandboxes.
  ip('-n', OUTSIDE, 'route', 'add', RANGE, 'via', HOST_UPLINK);
  const listener = spawn('/usr/bin/nsenter', [`--net=/run/netns/${OUTSIDE}`, process.execPath, '-e', script]);
  await new Promise((resolve) => listener.stdout.once('data', resolve));
  return () => {
    listener.kill('SIGKILL');
    spawnSync('/usr/sbin/ip', ['netns', 'del', OUTSIDE]);
  };
}

export function reachable(host: string, port = 80): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TRY_MS });
    const end = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

export async function start(at: LocalWorld, network: ResolvedSpec['network']): Promise<Target & { address: string }> {
  const spec = specOf({ network, command: ['/bin/httpd', '-f', '-p', '80', '-h', '/etc'], ports: [80] });
  const target = { id: newId(), incarnation: 1 };
  const order = { ...target, spec, owner: 'test', labels: {}, fresh: true };
  const { address } = await at.node.engine.create(order, AbortSignal.timeout(20_000));
  for (let tries = 0; tries < 200 && !(await reachable(address)); tries += 1) await realClock.sleep(10);
  return { ...target, address };
}

export async function run(
  at: LocalWorld,
  target: Target,
  command: readonly string[],
): Promise<{ code: number | null; text: string }> {
  const id = encodeId('ex', realRng.bytes(10));
  const stream = await at.node.engine.execs.start(target, id, { command, env: {}, timeoutMs: 20_000 });
  const parts: Uint8Array[] = [];
  for await (const { data } of stream.output) parts.push(data);
  const { code } = await stream.exit;
  await stream[Symbol.asyncDispose]();
  return { code, text: Buffer.concat(parts).toString('utf8') };
}

/** All at once from inside, since what is dropped answers only by time. Port 80 unless said. */
export async function reaches(at: LocalWorld, from: Target, addresses: readonly string[]): Promise<readonly string[]> {
  const withPort = (address: string) => (address.includes(':') ? address : `${address}:80`);
  const { text } = await run(at, from, ['reach', ...addresses.map(withPort)]);
  const reached = text.split('\n');
  return addresses.filter((address) => reached.includes(withPort(address)));
}

function ruleCount(table: string): number {
  const { stdout } = spawnSync('/usr/sbin/nft', ['-t', 'list', 'table', 'inet', table], { encoding: 'utf8' });
  return stdout.split('\n').length;
}

/** From inside the namespace of a sandbox, as the host's root: what a program in it could not even try. */
async function fromSource(pid: number, source: string): Promise<boolean> {
  const script = `const s=require('node:net').connect({host:'8.8.8.8',port:80,localAddress:'${source}',timeout:1500});s.on('connect',()=>process.exit(0));s.on('timeout',()=>process.exit(1));s.on('error',()=>process.exit(1))`;
  const result = spawnSync('/usr/bin/nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', script]);
  return result.status === 0;
}

async function look(at: LocalWorld): Promise<Findings> {
  const hostServer = createServer((_, answer) => answer.end('host')).listen(7711, '0.0.0.0');
  const closed = await start(at, 'none');
  const { table } = at.node.plan;
  const before = ruleCount(table);
  const open = await start(at, 'public');
  const others = [await start(at, 'none'), await start(at, 'public')];
  const outside = [...PUBLIC, ...REFUSED];
  const host = [`${HOST_UPLINK}:7711`, `${at.node.plan.gateway}:7711`, '127.0.0.1:7711'];
  const sandboxes = others.map((other) => other.address);
  const all = async (from: Target): Promise<Reached> => ({
    outside: await reaches(at, from, outside),
    host: await reaches(at, from, host),
    sandboxes: await reaches(at, from, sandboxes),
  });
  const beside: string[] = [];
  for (const address of outside) if (await reachable(address)) beside.push(address);
  for (const address of sandboxes) if (await reachable(address)) beside.push(address);
  if (await reachable(HOST_UPLINK, 7711)) beside.push(`${HOST_UPLINK}:7711`);
  const entry = (await at.helper.list()).find((one) => one.id === open.id);
  const pid = entry?.pid ?? 0;
  const own = await fromSource(pid, open.address);
  const spoof = ['ip', 'addr', 'add', '10.199.77.77/32', 'dev', 'eth0'];
  const fromOutside = (address: string) =>
    spawnSync('/usr/bin/nsenter', [`--net=/run/netns/${OUTSIDE}`, '/bin/busybox', 'nc', '-w', '1', '-z', address, '80'])
      .status === 0;
  const ways = { none: await all(closed), public: await all(open) };
  spawnSync('/usr/bin/nsenter', [`--net=/proc/${pid}/ns/net`, ...spoof]);
  const findings = {
    beside,
    ...ways,
    fromHost: { none: await reachable(closed.address), public: await reachable(open.address) },
    fromOutside: { none: fromOutside(closed.address), public: fromOutside(open.address) },
    ownSource: own,
    spoofed: await fromSource(pid, '10.199.77.77'),
    ipv6: (await run(at, open, ['cat', '/proc/net/if_inet6'])).text,
    rules: { before, after: ruleCount(table) },
  };
  spawnSync('/usr/bin/nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', 'addr', 'del', '10.199.77.77/32', 'dev', 'eth0']);
  const full = ruleCount(table);
  spawnSync('/usr/sbin/nft', ['flush', 'ruleset']);
  let restored = false;
  for (let tries = 0; tries < 300 && !restored; tries += 1) {
    restored = ruleCount(table) === full;
    if (!restored) await realClock.sleep(10);
  }
  const afterFlush = await all(open);
  hostServer.close();
  return { ...findings, restored, afterFlush, sandboxRange: RANGE };
}

if (import.meta.main) {
  const undo = await makeOutside();
  try {
    await using at = await localWorld(RANGE);
    addProgram(at.lower, 'reach.c', 'reach');
    console.log(JSON.stringify(await look(at)));
  } finally {
    undo();
  }
}
