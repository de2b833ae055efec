import { type Cidr, formatCidr, overlap, parseCidr } from '../../../domain/network/cidr.ts';
import { parseRoutes } from '../../network/host.ts';
import { type Check, type Facts, fail, ok, type Verdict, warn } from '../check.ts';
import { slotOfInterface } from '../names.ts';
import { mountOf, type Probe, readNumber } from '../probe.ts';

export const networkChecks: readonly Check[] = [
  port('api', 'the API can not be reached: no client command works'),
  port('edge', 'no sandbox can be reached from outside'),
  {
    id: 'network.range',
    title: 'Address range',
    cost: 'sandboxes would take addresses that this host uses or routes elsewhere, so no server starts',
    fix: 'Set `network.range` to a private range that is free here.',
    look: lookAtRange,
  },
  {
    id: 'network.forward',
    title: 'Forwarding of packets',
    cost: 'sandboxes with `network: public` reach nothing outside; all others work',
    fix: 'sysctl net.ipv4.ip_forward=1',
    look: (probe) => {
      if (readNumber(probe, IP_FORWARD) === 1) return ok('on');
      const locked = mountOf(probe, IP_FORWARD)?.options.includes('ro') ?? false;
      return locked ? warn('off, and /proc/sys is read-only') : ok('off; turned on by the first sandbox that needs it');
    },
  },
  {
    id: 'network.foreign-firewall',
    title: "Others' firewall rules",
    cost: 'sandboxes with `network: public` reach nothing outside; all others work',
    fix: "Accept forwarding from the interfaces of Arc in that chain: `iptables -I FORWARD -i 'arcp+' -j ACCEPT`, and -o likewise.",
    look: lookAtForeignFirewall,
  },
  {
    id: 'network.neighbours',
    title: 'Neighbour table',
    cost: 'the host itself loses neighbours at random; sandboxes are fixed entries, which do not count',
    fix: 'sysctl net.ipv4.neigh.default.gc_thresh3=4096, and gc_thresh2 to the half of it.',
    look: (probe) => {
      const most = readNumber(probe, '/proc/sys/net/ipv4/neigh/default/gc_thresh3');
      if (most === undefined) return warn('net.ipv4.neigh.default.gc_thresh3 can not be read');
      return most >= LEAST_NEIGHBOURS ? ok(`${most} entries`) : warn(`${most} entries; ${LEAST_NEIGHBOURS} wanted`);
    },
  },
  {
    id: 'network.conntrack',
    title: 'Connection table',
    cost: 'with many connections new ones are dropped, for everybody on this machine',
    fix: 'sysctl net.netfilter.nf_conntrack_max=262144',
    look: (probe, facts) => {
      const most = readNumber(probe, '/proc/sys/net/netfilter/nf_conntrack_max');
      if (most === undefined) return ok('not in use');
      const wanted = facts.maxSandboxes * CONNECTIONS_PER_SANDBOX;
      return most >= wanted
        ? ok(`${most} connections`)
        : warn(`${most} connections; ${facts.maxSandboxes} sandboxes want ${wanted}`);
    },
  },
];

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';
/** The kernel's own default; what is below was lowered by someone. */
const LEAST_NEIGHBOURS = 1024;
const CONNECTIONS_PER_SANDBOX = 32;

function port(which: 'api' | 'edge', cost: string): Check {
  return {
    id: `network.port-${which}`,
    title: `Port of the ${which === 'api' ? 'API' : 'edge'}`,
    cost,
    fix: `Stop what uses it, or choose another with --${which}.`,
    look: (probe, facts) => lookAtPort(probe, facts, facts[which]),
  };
}

async function lookAtPort(probe: Probe, facts: Facts, { host, port }: Facts['api']): Promise<Verdict> {
  const where = `${host}:${port}`;
  const outcome = await probe.listen(host, port);
  if (outcome === 'free') return ok(`${where} is free`);
  if (outcome !== 'EADDRINUSE') return fail(`${where} can not be listened on: ${outcome}`);
  return (await facts.server()) === 'running'
    ? ok(`${where} is used by this Arc`)
    : fail(`${where} is used by something else`);
}

/** Another tool's chain that drops what it doesn't know drops ours too: an accept in one table doesn't overrule it. */
async function lookAtForeignFirewall(probe: Probe): Promise<Verdict> {
  const nft = probe.find('nft');
  if (nft === undefined || probe.machine.uid !== 0) return ok('not looked at: this needs root and nft');
  const { code, stdout } = await probe.run([nft, '--json', 'list', 'chains']);
  if (code !== 0) return ok('there are none');
  const dropping = forwardChains(JSON.parse(stdout)).filter(
    ({ table, policy }) => policy === 'drop' && !/^arc/.test(table),
  );
  if (dropping.length === 0) return ok('none that drops what is forwarded');
  const open: string[] = [];
  for (const { family, table, name } of dropping) {
    const rules = await probe.run([nft, 'list', 'chain', family, table, name]);
    if (!rules.stdout.includes('"arc')) open.push(`${family} ${table} ${name}`);
  }
  return open.length === 0 ? ok('let Arc through') : warn(`chain ${open.join(', ')} drops what it does not know`);
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly policy?: string;
}

function forwardChains(listing: {
  readonly nftables?: readonly { readonly chain?: Chain & { readonly hook?: string } }[];
}) {
  return (listing.nftables ?? []).flatMap(({ chain }) => (chain?.hook === 'forward' ? [chain] : []));
}

function lookAtRange(probe: Probe, facts: Facts): Verdict {
  const range = parseCidr(facts.networkRange);
  if (range === undefined) return fail(`${facts.networkRange} is not a range`);
  const used: readonly { device: string; cidr: Cidr }[] = [
    ...parseRoutes(probe.readFile('/proc/net/route') ?? ''),
    ...probe.addresses(),
  ];
  const clash = used.find(
    ({ device, cidr }) => slotOfInterface(device, facts.tag) === undefined && overlap(cidr, range),
  );
  if (clash === undefined) return ok(`${facts.networkRange} is free`);
  return fail(`${facts.networkRange} meets ${formatCidr(clash.cidr)} of ${clash.device}`);
}
