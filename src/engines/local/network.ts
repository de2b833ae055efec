import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkPolicy } from '../../contract/spec.ts';
import { namesAny } from '../../domain/network/allow-list.ts';
import { openRanges } from '../../domain/network/resolve-network.ts';
import { type Listening, listen } from '../../host/dns/listen.ts';
import { Resolver } from '../../host/dns/resolver.ts';
import { type Server, Upstream } from '../../host/dns/upstream.ts';
import { Barrier } from '../../host/network/barrier.ts';
import { Firewall } from '../../host/network/firewall.ts';
import { nftMonitor } from '../../host/network/monitor.ts';
import { nftSession } from '../../host/network/nft-session.ts';
import { PermitFiles } from '../../host/network/permits.ts';
import type { NetworkPlan } from '../../host/network/plan.ts';
import { hostServers } from '../../host/network/resolvers.ts';
import { giveUp } from '../../kit/limit.ts';
import { resolvConf } from '../../runtimes/oci/names.ts';
import type { FileSession, NetworkUse } from '../engine.ts';
import type { LocalEngineDeps } from './create.ts';

const DNS_PORT = 53;
const RESOLV_CONF = '/etc/resolv.conf';
/** Of a file that may have been changed by whoever is inside. */
const RESOLV_CONF_BYTES_MAX = 4096;
const TELL_MS = 5_000;

/** Rules, the resolver behind them, and the barrier: all that decides where the sandboxes of this node may connect to. */
export interface LocalNetwork {
  readonly firewall: Firewall;
  open(): Promise<void>;
  use(slot: number): Promise<NetworkUse>;
  /** One that was started without a name server is told of it once it may look up names. What holds does not depend on it. */
  tellNameServer(id: string, files: () => Promise<FileSession>, policy: NetworkPolicy): Promise<void>;
  /** Its address may have another owner soon. */
  release(id: string, slot: number): Promise<void>;
  close(): Promise<void>;
}

export function localNetwork(deps: LocalEngineDeps, plan: NetworkPlan): LocalNetwork {
  const { clock, log, programs, rng, run } = deps;
  const open = openRanges(deps.networkOpen ?? []);
  let listening: Listening | undefined;
  const firewall = new Firewall({
    ...{ plan, nft: programs.nft, run, clock, rng, log, open },
    monitor: deps.monitor ?? nftMonitor(programs.nft),
    session: nftSession(programs.nft, clock),
    barrier: new Barrier({ plan, ip: programs.ip, run, log }),
    permits: new PermitFiles(join(deps.dataDir, 'sandboxes')),
    resolverPort: () => listening?.port,
  });
  const resolver = new Resolver({
    ...{ clock, log, open, own: plan.range, ...deps.lookups },
    upstream: new Upstream({ clock, rng, servers: () => serversOf(deps.networkDns ?? []) }),
    permitOf: (address) => firewall.permitOf(address),
    answered: (address, name, found) => firewall.answered(address, name, found),
  });
  return {
    firewall,
    open: async () => {
      listening = await listen(clock, (message, source, datagram) => resolver.answer(message, source, datagram));
      await firewall.install();
    },
    use: async (slot) => ({ ...(await firewall.look(slot)), names: resolver.names.of(plan.address(slot)) }),
    tellNameServer: async (id, files, policy) => {
      if (!namesAny(policy)) return;
      const tell = async () => {
        await using session = await files();
        await giveNameServer(session, plan.gateway);
      };
      // A sandbox that stands still, or has no such file, is not waited for.
      await giveUp(clock, tell(), { ms: TELL_MS }).catch((error: unknown) => {
        log.info({ err: error, sandbox: id }, 'a sandbox could not be told of its name server');
      });
    },
    release: async (id, slot) => {
      resolver.names.forget(plan.address(slot));
      await firewall.release(id, slot);
    },
    close: async () => {
      firewall.close();
      const last = listening;
      listening = undefined;
      await last?.[Symbol.asyncDispose]();
    },
  };
}

/** Read at each question: on a laptop they change with the network. */
async function serversOf(configured: readonly Server[]): Promise<readonly Server[]> {
  if (configured.length > 0) return configured;
  return hostServers(await readFile(RESOLV_CONF, 'utf8')).map((host) => ({ host, port: DNS_PORT }));
}

/** Unless somebody inside wrote another. */
async function giveNameServer(files: FileSession, gateway: string): Promise<void> {
  const stat = await files.stat(RESOLV_CONF, false).catch(() => undefined);
  if (stat?.type !== 'file' || stat.size > RESOLV_CONF_BYTES_MAX) return;
  const parts: Uint8Array[] = [];
  for await (const data of files.read(RESOLV_CONF)) parts.push(data);
  if (Buffer.concat(parts).toString('utf8') !== resolvConf([])) return;
  await files.write(RESOLV_CONF, once(Buffer.from(resolvConf([gateway]))), stat.mode);
}

async function* once(data: Uint8Array): AsyncIterable<Uint8Array> {
  yield data;
}
