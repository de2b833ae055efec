import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type VerifyParts, verifyLevel } from '../../../src/agent/verify/verify-level.ts';
import type { VerifiedLevel } from '../../../src/contract/schemas/verify.ts';
import { buildAdversary } from '../../../src/host/helper/build.ts';
import { JournalLogs } from '../../../src/host/journal/logs.ts';
import { outsideFaults } from '../../../src/host/look/index.ts';
import { Firewall } from '../../../src/host/network/firewall.ts';
import { nftMonitor } from '../../../src/host/network/monitor.ts';
import { nftSession } from '../../../src/host/network/nft-session.ts';
import { PermitFiles } from '../../../src/host/network/permits.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { runProgram } from '../../../src/kit/run.ts';
import type { OciConfig } from '../../../src/runtimes/oci/config.ts';
import type { OciDeps } from '../../../src/runtimes/oci/deps.ts';
import { callNames, callsLetThrough, FLAVOURS, type Flavour, OciRuntime } from '../../../src/runtimes/oci/index.ts';
import type { OciProcess } from '../../../src/runtimes/oci/process.ts';
import type { Runtime } from '../../../src/runtimes/runtime.ts';
import { newId, PROGRAMS, type World } from './harness.ts';

/** Slots that no other test of the same world uses. */
let slot = 100;
const NFT = '/usr/sbin/nft';

/** The adversary at a level of a test's own node. */
export async function verifyIn(
  at: World,
  runtime: Runtime,
  level: VerifiedLevel['level'],
  changes: Partial<VerifyParts> = {},
): Promise<VerifiedLevel> {
  const root = join(at.dir, 'adversary-root');
  if (!existsSync(root)) {
    for (const name of ['proc', 'sys', 'dev', 'run', 'etc', 'tmp', 'root'])
      mkdirSync(join(root, name), { recursive: true });
    cpSync(await buildAdversary(), join(root, 'adversary'));
  }
  const logs = new JournalLogs(join(at.dir, 'sandboxes'), realClock);
  return await verifyLevel(runtime, level, {
    dataDir: at.dir,
    borrow: async () => {
      slot += 1;
      return { id: newId(), slot, giveBack: () => {} };
    },
    root: async () => [root],
    output: async function* (id, signal) {
      for await (const { data } of logs.read(id, { since: 0, follow: true }, signal)) yield data;
    },
    gateway: at.deps.plan.gateway,
    arcPorts: () => [],
    outside: (one, id, neighbour) => outsideFaults(at.dir, one, id, neighbour),
    kernelOf: (one) => (one === 'gvisor' || one === 'microvm' ? 'own' : 'shared'),
    calls: callsLetThrough(process.arch),
    callName: callNames(process.arch),
    clock: realClock,
    rng: realRng,
    ...changes,
  });
}

/** The rules of Arc for a test's own node; gone when it is disposed. */
export async function rulesOf(at: World): Promise<AsyncDisposable> {
  const plan = at.deps.plan;
  const firewall = new Firewall({
    ...{ plan, nft: NFT, run: runProgram, monitor: nftMonitor(NFT), log: silentLogger, clock: realClock, rng: realRng },
    ...{ session: nftSession(NFT, realClock), permits: new PermitFiles(join(at.dir, 'sandboxes')), open: [] },
    // The machine that runs the tests is the host here, and gets no policies of IPsec from them.
    barrier: { raise: async () => false, remove: async () => {} },
    resolverPort: () => undefined,
  });
  await firewall.install();
  return {
    [Symbol.asyncDispose]: async () => {
      firewall.close();
      await firewall.remove();
    },
  };
}

export interface Weaker {
  readonly config?: (config: OciConfig) => OciConfig;
  readonly process?: (process: OciProcess) => object;
  /** Of the node, such as its limits. */
  readonly deps?: Partial<OciDeps>;
}

/** crun with a protection taken away. Only a test can make such a flavour: Arc's own are constants. */
export function weakened(at: World, { config, process: weaken, deps }: Weaker): Runtime {
  const { compiledFilter: _own, ...crun } = FLAVOURS.crun;
  const flavour: Flavour = {
    ...crun,
    documents: {
      start: (whole) => {
        const changed = config?.(whole) ?? whole;
        return JSON.stringify({ ...changed, process: weaken?.(changed.process) ?? changed.process });
      },
      command: (process) => JSON.stringify(weaken?.(process) ?? process),
    },
  };
  return new OciRuntime(
    { ...at.deps, ...deps, flavour, program: PROGRAMS.crun, nsenter: '/usr/bin/nsenter' },
    async () => [],
  );
}
