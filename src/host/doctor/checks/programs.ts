import { NEEDS, type Need } from '../../setup/needs.ts';
import { type Check, fail, ok, type Verdict, warn } from '../check.ts';
import type { Probe } from '../probe.ts';
import { atLeast } from './kernel.ts';

const LEAST_NODE = [24, 0] as const;

/** Programs that say their version, and how they are asked. Others are only looked for. */
const VERSION_ARGUMENT: Readonly<Record<string, string>> = {
  crun: '--version',
  runc: '--version',
  runsc: '--version',
  bwrap: '--version',
  nft: '--version',
  python3: '--version',
};

/** A ruleset of the kinds that Arc's firewall is made of; checked by the kernel, put nowhere. */
const NFT_TRIAL = `table inet arc_doctor {
  set denied { type ipv4_addr; flags interval; elements = { 169.254.0.0/16 } }
  map owner { type ipv4_addr : ifname; }
  chain forward { type filter hook forward priority filter; policy accept; ip daddr @denied drop; }
}
`;

export const programChecks: readonly Check[] = [
  ...NEEDS.map(checkOf),
  {
    id: 'program.nft-works',
    title: 'Firewall (nftables)',
    cost: 'no sandbox can start, because nothing would refuse its traffic',
    fix: 'Boot a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET, and run as root.',
    look: async (probe) => {
      const nft = probe.find('nft');
      if (nft === undefined) return fail('there is no nft');
      if (probe.machine.uid !== 0)
        return warn('not tried: this needs root', { cost: 'it is not known whether it works' });
      const { code, stderr, notStarted } = await probe.run([nft, '--check', '--file', '-'], NFT_TRIAL);
      return code === 0
        ? ok('takes sets, maps and chains')
        : fail(notStarted ?? (firstLine(stderr) || 'refuses the rules'));
    },
  },
  {
    id: 'program.node',
    title: 'Node.js',
    cost: 'Arc does not run',
    fix: 'Run `npm ci`, which brings Node 24, or install Node 24 or later.',
    look: ({ machine }) => (atLeast(machine.node, LEAST_NODE) ? ok(machine.node) : fail(machine.node)),
  },
];

function checkOf(need: Need): Check {
  return {
    id: `program.${need.name.toLowerCase().replaceAll(' ', '-')}`,
    title: need.name,
    cost: need.cost,
    fix: `Install what Debian and Ubuntu call ${need.packages.join(' ')}; it ${need.purpose}.`,
    look: async (probe, facts) => {
      if (need.onlyForBuild === true && (await facts.helper()).built) return ok('not needed: the node helper is built');
      for (const name of need.seenAs) {
        const path = name.startsWith('/') ? (probe.exists(name) ? name : undefined) : probe.find(name);
        if (path !== undefined) return await present(probe, name, path, need);
      }
      const standIn = need.standIns?.find((name) => probe.find(name) !== undefined);
      if (standIn !== undefined) {
        return warn(`not found; ${standIn} is used in its place`, { cost: 'starts are slower and take more memory' });
      }
      return need.required ? fail('not found') : warn('not found');
    },
  };
}

async function present(probe: Probe, name: string, path: string, need: Need): Promise<Verdict> {
  const argument = VERSION_ARGUMENT[name];
  if (argument === undefined) return ok(path);
  const { code, stdout, stderr, notStarted } = await probe.run([path, argument]);
  if (code === 0) return ok(`${firstLine(stdout)} (${path})`);
  const found = `${path} does not run: ${notStarted ?? (firstLine(stderr) || `exit code ${code}`)}`;
  return need.required ? fail(found) : warn(found);
}

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';
