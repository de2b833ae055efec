import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from '../../agent/agent.ts';
import { Slots } from '../../agent/slots.ts';
import type { Verifier } from '../../agent/verify/verifier.ts';
import { encodeId, ID_BYTES } from '../../contract/ids.ts';
import { missingCapability } from '../../domain/missing-capability.ts';
import { overlap } from '../../domain/network/cidr.ts';
import { Freezer } from '../../host/cgroups/freezer.ts';
import { cgroupRoot } from '../../host/cgroups/root.ts';
import { Blanks } from '../../host/disk/blanks.ts';
import type { ResolverDeps } from '../../host/dns/resolver.ts';
import type { Server } from '../../host/dns/upstream.ts';
import type { NodeHelper } from '../../host/helper/port.ts';
import type { Images } from '../../host/images.ts';
import { LayerCopies } from '../../host/layers/layer-copies.ts';
import { Barrier } from '../../host/network/barrier.ts';
import { claimRange } from '../../host/network/claim-range.ts';
import type { Firewall } from '../../host/network/firewall.ts';
import { checkRange, hostNetworks, uplinkMtu } from '../../host/network/host.ts';
import type { Monitor } from '../../host/network/monitor.ts';
import { instanceTag, type NetworkPlan, networkPlan } from '../../host/network/plan.ts';
import { resolversFor } from '../../host/network/resolvers.ts';
import { UidRegions } from '../../host/uids/regions.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import { bwrap, jailFlavour } from '../../runtimes/jail/index.ts';
import {
  FLAVOURS,
  type Flavour,
  type NodeParts,
  OciRuntime,
  probeLevel,
  Records,
  refusedLevel,
} from '../../runtimes/oci/index.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { createWasm, type Wasm } from '../../runtimes/wasm/index.ts';
import { LocalEngine, type NodeLogs } from './engine.ts';
import { type MachinePrograms, machineRuntimes } from './machines.ts';
import { type LocalNetwork, localNetwork } from './network.ts';
import { localVerifier } from './verify.ts';

/** Absolute paths of the programs of this machine; what is not installed is left out. */
export interface Programs {
  readonly nft: string;
  readonly mkfs: string;
  readonly nsenter: string;
  readonly cp: string;
  /** For the barrier that holds while the firewall is gone. */
  readonly ip?: string;
  readonly crun?: string;
  readonly runc?: string;
  readonly runsc?: string;
  /** `kata-runtime` */
  readonly kata?: string;
  readonly bwrap?: string;
  readonly nsjail?: string;
  /** Builds, at the first need, the program that jails are started and used through; see `host/helper/build.ts`. */
  readonly jailKit?: () => Promise<string>;
  /** Present when all that virtual machines need is. */
  readonly machines?: MachinePrograms;
}

export interface LocalEngineDeps {
  /** Name of this node, shown to people. */
  readonly node: string;
  readonly dataDir: string;
  /** `network.range` of the configuration. */
  readonly networkRange: string;
  /** Ranges that allow-lists may name although sandboxes are refused them. */
  readonly networkOpen?: readonly string[];
  /** Name servers that names are looked up at for sandboxes; none: those of the host. */
  readonly networkDns?: readonly Server[];
  /** How long answers live, for tests. */
  readonly lookups?: Pick<ResolverDeps, 'bounds' | 'graceSeconds'>;
  /** Path of the machine's registry of host ids, which every Arc on it shares. */
  readonly uidRegistry: string;
  /** Does the server of another Arc run on that data folder? */
  readonly served: (dataDir: string) => boolean;
  readonly programs: Programs;
  readonly helper: NodeHelper;
  readonly images: Images;
  readonly logs: NodeLogs;
  readonly run: Run;
  /** Default: `nft monitor`. */
  readonly monitor?: Monitor;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** What the level wasm is made of: Node, and the folder that holds `src` and `node_modules`. */
  readonly wasm?: { readonly node: string; readonly project: string };
  /** Node's name of the processor architecture. */
  readonly arch: string;
  /** Ports that Arc itself listens on, which no sandbox may reach; known once it does. */
  readonly arcPorts?: () => readonly number[];
}

export interface LocalNode extends AsyncDisposable {
  readonly engine: LocalEngine;
  readonly plan: NetworkPlan;
  readonly firewall: Firewall;
  readonly agent: Agent;
  /** Runs an adversary at every level; who opens the node says when. */
  readonly verifier: Verifier;
  /** Rejects when this machine can't hold sandboxes; every call of the engine then rejects with the same. */
  readonly opened: Promise<void>;
}

/** Used where the limit can't be read; the kernel's own default for services. */
const OPEN_FILES_FALLBACK = 1024;
/** Chunks of log that are looked at to explain a failed start. */
const LAST_CHUNKS = 16;
/** Within the ids of a slot, who a worker of the level wasm is. */
const WORKER_UID = 1_000;

/** Everything of this machine behind the Engine port. Returns before it is open, so that the API can answer meanwhile. */
export async function createLocalEngine(deps: LocalEngineDeps): Promise<LocalNode> {
  const uids = UidRegions.open({ dataDir: deps.dataDir, tag: instanceTag(deps.dataDir), registry: deps.uidRegistry });
  const plan = networkPlan(deps.networkRange, deps.dataDir, await uplinkMtu(), (slot) => uids.hostBase(slot));
  const network = localNetwork(deps, plan);
  const { firewall } = network;
  const slots = new Slots(plan.slots, uids);
  const trials = new Set<string>();
  const borrow = borrower(slots, trials, deps.rng, network, deps.log);
  const parts = await nodeParts(deps, plan, firewall);
  const wasm = wasmOf(deps, plan, slots);
  const agent = new Agent({
    node: deps.node,
    runtimes: [...(await runtimesOf(deps, parts, borrow)), ...(wasm === undefined ? [] : [wasm.runtime])],
    isTrial: (id) => trials.has(id),
    helper: deps.helper,
    images: deps.images,
    slots,
    sandboxesDir: parts.sandboxesDir,
    released: (id, slot) => network.release(id, slot),
    checkRules: () => firewall.check(),
    explain: async (id, spec) => missingCapability(await lastOutput(deps.logs, id), spec)?.message,
    clock: deps.clock,
    rng: deps.rng,
    log: deps.log,
  });
  const opened = open(deps, parts, plan, network, agent);
  opened.catch((error: unknown) => deps.log.error({ err: error }, 'this machine can not hold sandboxes'));
  const verifier = localVerifier(deps, plan, agent, borrow);
  const { levels } = agent.levels;
  const engine = new LocalEngine({
    ...{ node: deps.node, dataDir: deps.dataDir, agent, levels, logs: deps.logs, network, verifier, opened },
  });
  return {
    engine,
    verifier,
    plan,
    firewall,
    agent,
    opened,
    [Symbol.asyncDispose]: async () => {
      await opened.catch(() => undefined);
      agent.close();
      wasm?.close();
      await network.close();
    },
  };
}

async function open(
  deps: LocalEngineDeps,
  parts: NodeParts,
  plan: NetworkPlan,
  network: LocalNetwork,
  agent: Agent,
): Promise<void> {
  for (const folder of [deps.dataDir, parts.sandboxesDir, parts.rootMount]) {
    await mkdir(folder, { recursive: true });
    // A runtime that is only root of its sandbox must get through, to nothing but what it owns.
    await chmod(folder, 0o711);
  }
  const networks = await hostNetworks();
  const before = claimRange({
    dataDir: deps.dataDir,
    range: plan.range,
    registry: deps.uidRegistry,
    served: deps.served,
    check: () => checkRange(plan, networks),
  });
  // Of a range that is nobody's now nothing may be held back any more.
  if (before !== undefined && !overlap(before, plan.range)) {
    await new Barrier({ plan: { range: before }, ip: deps.programs.ip, run: deps.run, log: deps.log }).remove();
  }
  await network.open();
  await parts.copies.sweep(new Set(await readdir(parts.sandboxesDir)));
  await agent.open();
}

async function nodeParts(deps: LocalEngineDeps, plan: NetworkPlan, firewall: Firewall): Promise<NodeParts> {
  const hostResolvConf = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  return {
    helper: deps.helper,
    plan,
    admit: (admission) => firewall.admit(admission),
    freezer: new Freezer(deps.clock, await readFile('/proc/self/mountinfo', 'utf8'), cgroupRoot(deps.dataDir)),
    blanks: new Blanks({ dir: join(deps.dataDir, 'blanks'), mkfs: deps.programs.mkfs, run: deps.run }),
    copies: new LayerCopies({ dataDir: deps.dataDir, cp: deps.programs.cp, run: deps.run }),
    records: new Records(),
    sandboxesDir: join(deps.dataDir, 'sandboxes'),
    rootMount: join(deps.dataDir, 'root'),
    resolvers: resolversFor(hostResolvConf),
    limits: { openFilesMax: openFilesMax(await readFile('/proc/self/limits', 'utf8').catch(() => '')) },
    arch: deps.arch,
    run: deps.run,
    lastOutput: (id) => lastOutput(deps.logs, id),
    log: deps.log,
  };
}

/** Its workers have ids that are no sandbox's: each that lives has those of a slot. */
function wasmOf(deps: LocalEngineDeps, plan: NetworkPlan, slots: Slots): Wasm | undefined {
  if (deps.wasm === undefined) return undefined;
  const { dataDir, programs, run, clock, log, arch } = deps;
  const borrowUid = () => {
    const slot = slots.take();
    return { uid: plan.ids(slot).hostBase + WORKER_UID, giveBack: () => slots.give(slot) };
  };
  const jail = programs.bwrap === undefined ? {} : { bwrap: programs.bwrap };
  return createWasm({ ...deps.wasm, ...jail, dataDir, root: true, arch, borrowUid, run, clock, log });
}

/** The end of what a sandbox has printed, or nothing where there is no log yet. */
async function lastOutput(logs: NodeLogs, id: string): Promise<string> {
  const parts: Uint8Array[] = [];
  const options = { since: 0, follow: false, tail: LAST_CHUNKS };
  for await (const chunk of logs.read(id, options, new AbortController().signal)) parts.push(chunk.data);
  return Buffer.concat(parts).toString('utf8');
}

/** Hard limit of open files of this process, and with it of what the helper starts. */
export function openFilesMax(limits: string): number {
  const hard = Number(/^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1]);
  return Number.isInteger(hard) && hard > 0 ? hard : OPEN_FILES_FALLBACK;
}

/** A place for what is only tried: nobody's sandbox, so nothing that finds it may take it for one. */
type Borrow = () => Promise<{ readonly id: string; readonly slot: number; readonly giveBack: () => void }>;

function borrower(slots: Slots, trials: Set<string>, rng: Rng, network: LocalNetwork, log: Logger): Borrow {
  return async () => {
    const slot = slots.take();
    const id = encodeId('sb', rng.bytes(ID_BYTES));
    trials.add(id);
    const giveBack = () => {
      trials.delete(id);
      network.release(id, slot).catch((error: unknown) => {
        log.error({ err: error, sandbox: id }, 'what a sandbox was let do could not be taken back yet');
      });
      slots.give(slot);
    };
    return { id, slot, giveBack };
  };
}

async function runtimesOf(deps: LocalEngineDeps, parts: NodeParts, place: Borrow): Promise<readonly Runtime[]> {
  const hostVersion = await readFile('/proc/version', 'utf8');
  const borrow = async () => {
    const lowers = await deps.images.resolve({ kind: 'builtin', name: 'shell' });
    return { ...(await place()), lowers };
  };
  const { programs } = deps;
  const flavours = await flavoursOf(deps);
  const oci = flavours.flatMap((flavour) => {
    const program = programs[flavour.name];
    if (program === undefined) return [];
    const { needs } = flavour;
    const probe = (runtime: OciRuntime) =>
      needs === undefined || existsSync(needs.path)
        ? probeLevel(runtime, flavour, { borrow, hostVersion, clock: deps.clock })
        : Promise.resolve(refusedLevel(flavour, needs.why));
    return [new OciRuntime({ ...parts, flavour, program, nsenter: programs.nsenter }, probe)];
  });
  return [...oci, ...(await machineRuntimes(deps, parts, { borrow, hostVersion }))];
}

/** In the order of preference within a level. A jail kit that can't be built costs the level jail and nothing else. */
async function flavoursOf({ programs, arch, log }: LocalEngineDeps): Promise<readonly Flavour[]> {
  const always = [FLAVOURS.crun, FLAVOURS.runc, FLAVOURS.runsc, FLAVOURS.kata];
  if (programs.bwrap === undefined || programs.jailKit === undefined) return always;
  try {
    return [...always, jailFlavour(bwrap, await programs.jailKit(), arch)];
  } catch (error) {
    log.warn({ err: error }, 'the level jail is not to be had');
    return always;
  }
}
