/** What sandboxes with allow-lists reach; run by `outbound.test.ts`. There is a name server outside, too. */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { EngineNetwork, NetworkUse, Target } from '../../../src/engines/engine.ts';
import { realClock } from '../../../src/kit/real.ts';
import { HOST_UPLINK, LISTENER, OUTSIDE, reaches, report, run, start, within } from './host-world.ts';
import type { LocalWorld } from './local-world.ts';

const NAMED = '93.184.216.34';
const RESOLVER = '8.8.8.8';
const PRIVATE = '10.1.2.3';
const WAIT_MS = 240_000;
const LOOK_MS = 250;

/** What the name server outside answers, to whoever asks. */
const ZONE = { 'ok.example.org': NAMED, 'rebind.wild.example.org': PRIVATE, 'free.example.net': NAMED };
const NAME_SERVER = `
const dns = require(${JSON.stringify(join(import.meta.dirname, '../../../node_modules/dns-packet'))});
const zone = ${JSON.stringify(ZONE)};
const answer = (message) => {
  const { id, questions } = dns.decode(message);
  const data = zone[questions[0].name.toLowerCase()];
  const answers = data && questions[0].type === 'A' ? [{ type: 'A', name: questions[0].name, ttl: 1, data }] : [];
  return dns.encode({ type: 'response', id, flags: data ? 0 : 3, questions, answers });
};
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (message, from) => socket.send(answer(message), from.port, from.address));
socket.bind(53, '${RESOLVER}');
require('node:http').createServer((_, answer) => answer.end('other port')).listen(81, '0.0.0.0');
`;

export interface Outbound {
  readonly names: {
    readonly before: readonly string[];
    readonly lookedUp: string;
    readonly after: readonly string[];
    readonly notNamed: string;
    readonly otherResolver: string;
    readonly otherResolverOfPublic: string;
    readonly rebound: string;
    readonly reachedRebound: readonly string[];
    readonly forgotten: boolean;
  };
  readonly networks: { readonly reached: readonly string[]; readonly afterRestart: readonly string[] };
  readonly use: NetworkUse;
  readonly changed: {
    readonly open: readonly string[];
    readonly closed: readonly string[];
    readonly listed: readonly string[];
    readonly resolvConf: string;
    readonly lookedUp: string;
  };
  readonly flushed: {
    readonly tablesLeft: string;
    readonly none: readonly string[];
    readonly public: readonly string[];
    readonly fromOutside: boolean;
    /** The same, once the barrier is taken away too: what it had kept from happening. */
    readonly bare: readonly string[];
    readonly mended: readonly string[];
  };
}

const lookup = async (at: LocalWorld, target: Target, name: string, server?: string) =>
  (await run(at, target, ['nslookup', name, ...(server === undefined ? [] : [server])])).text;

/** All that has a listener and that a sandbox must not reach. */
function refused(at: LocalWorld, others: readonly string[]): readonly string[] {
  return [PRIVATE, '169.254.169.254', `${HOST_UPLINK}:7711`, `${at.node.plan.gateway}:7711`, ...others];
}

async function until(look: () => Promise<boolean>): Promise<boolean> {
  for (let waited = 0; waited < WAIT_MS; waited += LOOK_MS) {
    if (await look()) return true;
    await realClock.sleep(LOOK_MS);
  }
  return false;
}

async function names(at: LocalWorld): Promise<{ names: Outbound['names']; use: NetworkUse }> {
  const target = await start(at, { allow: ['ok.example.org', '*.wild.example.org'] });
  const open = await start(at, 'public');
  const before = await reaches(at, target, [NAMED, RESOLVER]);
  const lookedUp = await lookup(at, target, 'ok.example.org');
  const after = await reaches(at, target, [NAMED, RESOLVER]);
  const found = {
    ...{ before, lookedUp, after },
    notNamed: await lookup(at, target, 'free.example.net'),
    otherResolver: await lookup(at, target, 'free.example.net', RESOLVER),
    otherResolverOfPublic: await lookup(at, open, 'free.example.net', RESOLVER),
    rebound: await lookup(at, target, 'rebind.wild.example.org'),
    reachedRebound: await reaches(at, target, [PRIVATE]),
    forgotten: await until(async () => (await reaches(at, target, [NAMED])).length === 0),
  };
  const use = await at.node.engine.network?.use(target);
  if (use === undefined) throw new Error('this node has no network for sandboxes');
  return { names: found, use };
}

async function networks(at: LocalWorld): Promise<Outbound['networks']> {
  const target = await start(at, { allow: ['8.8.8.0/24', '93.0.0.0/8'], ports: ['80'] });
  const all = [RESOLVER, `${RESOLVER}:81`, NAMED, PRIVATE, '169.254.169.254', '100.64.0.9'];
  const reached = await reaches(at, target, all);
  // Another server on the same folder, with a resolver of its own.
  const next = await at.again();
  const afterRestart = await reaches({ ...at, node: next }, target, all);
  await next[Symbol.asyncDispose]();
  return { reached, afterRestart };
}

async function changed(at: LocalWorld): Promise<Outbound['changed']> {
  const target = await start(at, 'none');
  const set = async (network: Parameters<EngineNetwork['set']>[1]['network']) =>
    await at.node.engine.network?.set(target, { network });
  await set('public');
  const open = await reaches(at, target, [NAMED]);
  await set('none');
  const closed = await reaches(at, target, [NAMED]);
  await set({ allow: ['8.8.8.8', 'ok.example.org'] });
  const listed = await reaches(at, target, [NAMED, RESOLVER]);
  const { text } = await run(at, target, ['cat', '/etc/resolv.conf']);
  return { open, closed, listed, resolvConf: text, lookedUp: await lookup(at, target, 'ok.example.org') };
}

/** Nobody puts the rules back: neither monitor nor sweep, as when Arc itself is down. */
async function flushed(at: LocalWorld): Promise<Outbound['flushed']> {
  const closed = await start(at, 'none');
  const open = await start(at, 'public');
  const other = await start(at, 'public');
  const hostServer = createServer((_, answer) => answer.end('host')).listen(7711, '0.0.0.0');
  at.node.agent.close();
  at.node.firewall.close();
  // What it was about to look at is over when this is; it listens again then, and no more after.
  await at.node.firewall.check();
  at.node.firewall.close();
  spawnSync('/usr/sbin/nft', ['flush', 'ruleset']);
  const tried = refused(at, [other.address]);
  const none = await reaches(at, closed, tried);
  const opened = await reaches(at, open, tried);
  const outside = ['/bin/busybox', 'nc', '-w', '1', '-z', other.address, '80'];
  const fromOutside = within(`/run/netns/${OUTSIDE}`, outside).status === 0;
  const tablesLeft = spawnSync('/usr/sbin/nft', ['list', 'ruleset'], { encoding: 'utf8' }).stdout;
  spawnSync('/usr/sbin/ip', ['xfrm', 'policy', 'flush']);
  const bare = await reaches(at, open, tried);
  await at.node.firewall.check();
  const mended = await reaches(at, open, [NAMED, ...tried]);
  hostServer.close();
  return { tablesLeft, none, public: opened, fromOutside, bare, mended };
}

async function look(at: LocalWorld): Promise<Outbound> {
  const named = await names(at);
  // The restart comes late: the rules lead lookups to the resolver of the server that was last started.
  const change = await changed(at);
  return { ...named, changed: change, networks: await networks(at), flushed: await flushed(at) };
}

if (import.meta.main) {
  const lookups = { graceSeconds: 1, bounds: { ttlMin: 1, ttlMax: 60, addressesMax: 8 } };
  await report(`${NAME_SERVER}${LISTENER}`, look, { networkDns: [{ host: RESOLVER, port: 53 }], lookups });
}
