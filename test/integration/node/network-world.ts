/** What sandboxes reach from a host of its own; run by `network.test.ts`. */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { Target } from '../../../src/engines/engine.ts';
import { realClock } from '../../../src/kit/real.ts';
import {
  HOST_UPLINK,
  LISTENER,
  netOf,
  OUTSIDE,
  PUBLIC,
  RANGE,
  REFUSED,
  reachable,
  reaches,
  report,
  run,
  start,
  within,
} from './host-world.ts';
import type { LocalWorld } from './local-world.ts';

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

function ruleCount(table: string): number {
  const { stdout } = spawnSync('/usr/sbin/nft', ['-t', 'list', 'table', 'inet', table], { encoding: 'utf8' });
  return stdout.split('\n').length;
}

function fromSource(net: string, source: string): boolean {
  const script = `const s=require('node:net').connect({host:'8.8.8.8',port:80,localAddress:'${source}',timeout:1500});s.on('connect',()=>process.exit(0));s.on('timeout',()=>process.exit(1));s.on('error',()=>process.exit(1))`;
  return within(net, [process.execPath, '-e', script]).status === 0;
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
  const net = await netOf(at, open);
  const own = fromSource(net, open.address);
  const forged = (verb: string) => within(net, ['ip', 'addr', verb, '10.199.77.77/32', 'dev', 'eth0']);
  const fromOutside = (address: string) =>
    within(`/run/netns/${OUTSIDE}`, ['/bin/busybox', 'nc', '-w', '1', '-z', address, '80']).status === 0;
  const ways = { none: await all(closed), public: await all(open) };
  forged('add');
  const findings = {
    beside,
    ...ways,
    fromHost: { none: await reachable(closed.address), public: await reachable(open.address) },
    fromOutside: { none: fromOutside(closed.address), public: fromOutside(open.address) },
    ownSource: own,
    spoofed: fromSource(net, '10.199.77.77'),
    ipv6: (await run(at, open, ['cat', '/proc/net/if_inet6'])).text,
    rules: { before, after: ruleCount(table) },
  };
  forged('del');
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

if (import.meta.main) await report(LISTENER, look);
