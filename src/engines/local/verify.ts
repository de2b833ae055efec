import { dirname, join } from 'node:path';
import type { Agent } from '../../agent/agent.ts';
import { Verifier } from '../../agent/verify/verifier.ts';
import type { VerifyParts } from '../../agent/verify/verify-level.ts';
import type { Level } from '../../contract/states.ts';
import { buildAdversary } from '../../host/helper/build.ts';
import { outsideFaults } from '../../host/look/index.ts';
import type { NetworkPlan } from '../../host/network/plan.ts';
import { KeptReports } from '../../host/verify/memory.ts';
import { adversaryRoot } from '../../host/verify/root.ts';
import { callNames, callsLetThrough } from '../../runtimes/oci/index.ts';
import type { LocalEngineDeps } from './create.ts';

/** Levels whose programs call a kernel that is not this machine's. */
const OWN_KERNEL: ReadonlySet<Level> = new Set<Level>(['gvisor', 'kata', 'microvm']);
const SOURCE = join(import.meta.dirname, '../../..');
/** What decides about isolation, beside the programs of the machine. */
const SOURCES = ['native', 'src/runtimes', 'src/host/network', 'src/domain/verify', 'src/agent/verify'];

/** The adversary of this machine's levels, put together from the node's own parts. */
export function localVerifier(
  deps: LocalEngineDeps,
  plan: NetworkPlan,
  agent: Agent,
  borrow: VerifyParts['borrow'],
): Verifier {
  const { dataDir, programs, logs, arch, clock, rng, log } = deps;
  const { crun, runc, runsc, kata, bwrap, nft, machines } = programs;
  const monitors = [machines?.qemu?.program, machines?.firecracker?.program, machines?.firecracker?.jailer];
  const paths = [crun, runc, runsc, kata, bwrap, nft, ...monitors];
  return new Verifier({
    ...{ node: deps.node, levels: agent.levels, clock, log },
    memory: new KeptReports({
      dataDir,
      sharedDir: join(dirname(deps.uidRegistry), 'verified'),
      programs: paths.filter((path) => path !== undefined),
      sources: SOURCES.map((folder) => join(SOURCE, folder)),
    }),
    parts: {
      ...{ dataDir, borrow, clock, rng, gateway: plan.gateway },
      root: async () => [await adversaryRoot(dataDir, await buildAdversary())],
      output: async function* (id, signal) {
        for await (const { data } of logs.read(id, { since: 0, follow: true }, signal)) yield data;
      },
      arcPorts: deps.arcPorts ?? (() => []),
      outside: (level, id, neighbour) => outsideFaults(dataDir, level, id, neighbour),
      kernelOf: (level) => (OWN_KERNEL.has(level) ? 'own' : 'shared'),
      calls: callsLetThrough(arch),
      callName: callNames(arch),
    },
  });
}
