/**
 * A host of its own, in the network namespace that `own-host.ts` makes: with an uplink to an "outside" that answers on every
 * address that matters, and the local engine with sandboxes that try to get there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { encodeId } from '../../../src/contract/ids.ts';
import type { ResolvedSpec } from '../../../src/contract/spec.ts';
import type { Target } from '../../../src/engines/engine.ts';
import type { LocalEngineDeps } from '../../../src/engines/local/index.ts';
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
export const HOST_UPLINK = '45.0.0.2';
export const RANGE = '10.199.0.0/16';
/** The namespace of what is beyond the host. */
export const OUTSIDE = `arc-out-${process.pid}`;
const TRY_MS = 1500;

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

export async function start(
  at: LocalWorld,
  network: ResolvedSpec['network'],
  flow?: ResolvedSpec['flow'],
): Promise<Target & { address: string }> {
  const spec = specOf({
    network,
    ...(flow && { flow }),
    command: ['/bin/httpd', '-f', '-p', '80', '-h', '/etc'],
    ports: [80],
  });
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

/** In the namespaces of a sandbox or of the outside, as the host's root: what a program in it could not even try. */
export function within(
  net: string,
  argv: readonly string[],
): { readonly status: number | null; readonly stdout: string } {
  return spawnSync('/usr/bin/nsenter', [`--net=${net}`, ...argv], { encoding: 'utf8' });
}

export async function netOf(at: LocalWorld, { id }: Target): Promise<string> {
  const entry = (await at.helper.list()).find((one) => one.id === id);
  return `/proc/${entry?.pid ?? 0}/ns/net`;
}

/** A host with this outside, for as long as `look` takes; what it gives is printed for the test. */
export async function report(
  script: string,
  look: (at: LocalWorld) => Promise<unknown>,
  changes: Partial<LocalEngineDeps> = {},
): Promise<void> {
  const undo = await makeOutside(script);
  try {
    await using at = await localWorld(RANGE, changes);
    addProgram(at.lower, 'reach.c', 'reach');
    for (let tries = 0; tries < 200 && !(await reachable(PUBLIC[0] ?? '')); tries += 1) await realClock.sleep(50);
    if (!(await reachable(PUBLIC[0] ?? ''))) throw new Error('nothing listens outside');
    console.log(JSON.stringify(await look(at)));
  } finally {
    undo();
  }
}
