import { readFile, statfs } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import type { Agent } from '../../agent/agent.ts';
import type { Verifier } from '../../agent/verify/verifier.ts';
import { ArcError } from '../../contract/errors.ts';
import { EXEC_ID } from '../../contract/ids.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { Level } from '../../contract/states.ts';
import { cgroupKind } from '../../host/cgroups/kind.ts';
import { readMemoryPressure } from '../../host/memory-pressure.ts';
import type {
  CreateOrder,
  Engine,
  EngineCapabilities,
  EngineEvent,
  EngineExecs,
  EngineFiles,
  EngineLimits,
  EngineLogs,
  EngineNetwork,
  EngineStats,
  EngineVerify,
  Held,
  MemoryPressure,
  NodeReport,
  Placement,
  Target,
} from '../engine.ts';
import type { LocalNetwork } from './network.ts';

/** What keeps the logs of this node's sandboxes. */
export interface NodeLogs extends EngineLogs {
  /** Bytes kept now, and bytes that were dropped since the first line. */
  totals(id: string): Promise<{ readonly bytes: number; readonly dropped: number }>;
}

export interface LocalEngineParts {
  readonly node: string;
  readonly dataDir: string;
  readonly agent: Agent;
  readonly levels: readonly Level[];
  readonly logs: NodeLogs;
  /** Absent where only levels are that no adversary can be run in. */
  readonly verifier?: Verifier;
  /** Absent where sandboxes have no network. */
  readonly network?: LocalNetwork;
  /** Settled once the node's truth is known; calls wait for it, the API's port does not. */
  readonly opened: Promise<void>;
}

/** The Engine port over the agent of this very machine. */
export class LocalEngine implements Engine {
  readonly name = 'local';
  readonly capabilities: EngineCapabilities = {
    exec: true,
    files: true,
    logs: true,
    stats: true,
    park: true,
    placeOnNode: false,
  };
  readonly levels: readonly Level[];
  readonly execs: EngineExecs;
  readonly files: EngineFiles;
  readonly logs: EngineLogs;
  readonly stats: EngineStats;
  readonly limits: EngineLimits;
  readonly verify?: EngineVerify;
  readonly network?: EngineNetwork;
  readonly #parts: LocalEngineParts;

  constructor(parts: LocalEngineParts) {
    this.#parts = parts;
    this.levels = parts.levels;
    this.execs = execsOf(parts);
    this.files = filesOf(parts);
    this.logs = parts.logs;
    this.stats = statsOf(parts);
    this.limits = limitsOf(parts);
    const { verifier } = parts;
    if (verifier === undefined) return;
    this.verify = {
      run: async () => {
        await parts.opened;
        return await verifier.run();
      },
      last: () => verifier.last(),
    };
    if (parts.network !== undefined) this.network = networkOf(parts, parts.network);
  }

  async nodes(): Promise<readonly NodeReport[]> {
    const { agent, node, opened } = this.#parts;
    await opened;
    const [levels, mounts] = await Promise.all([
      agent.levels.reports(),
      readFile('/proc/self/mountinfo', 'utf8').catch(() => ''),
    ]);
    return [
      {
        name: node,
        levels,
        memoryBytes: totalmem(),
        cpus: cpus().length,
        sandboxes: agent.list().filter((held) => held.phase === 'running').length,
        kernel: release(),
        cgroup: cgroupKind(mounts),
      },
    ];
  }

  async create(order: CreateOrder, signal: AbortSignal): Promise<Placement> {
    await this.#parts.opened;
    return await this.#parts.agent.create(order, signal);
  }

  async probe(target: Target, spec: ResolvedSpec, signal: AbortSignal): Promise<boolean> {
    await this.#parts.opened;
    return await this.#parts.agent.probe(target, spec, signal);
  }

  async stop(target: Target): Promise<void> {
    await this.#parts.opened;
    await this.#parts.agent.stop(target);
  }

  async destroy(target: Target): Promise<void> {
    await this.#parts.opened;
    await this.#parts.agent.destroy(target);
  }

  async freeze(target: Target): Promise<void> {
    await this.#parts.opened;
    await this.#parts.agent.freeze(target);
  }

  async thaw(target: Target): Promise<void> {
    await this.#parts.opened;
    await this.#parts.agent.thaw(target);
  }

  memoryPressure(): Promise<MemoryPressure> {
    return readMemoryPressure();
  }

  async diskSpace(): Promise<{ readonly totalBytes: number; readonly availableBytes: number }> {
    const { bsize, blocks, bavail } = await statfs(this.#parts.dataDir);
    return { totalBytes: blocks * bsize, availableBytes: bavail * bsize };
  }

  async list(): Promise<readonly Held[]> {
    await this.#parts.opened;
    return this.#parts.agent.list();
  }

  watch(listener: (event: EngineEvent) => void): () => void {
    return this.#parts.agent.watch(listener);
  }
}

function execsOf({ agent, opened }: LocalEngineParts): EngineExecs {
  const able = async (target: Target) => {
    await opened;
    return agent.running(target);
  };
  return {
    start: async (target, id, order) => {
      if (!EXEC_ID.test(id)) throw new ArcError('invalid_request', 'that is not the id of a command');
      const { handle, runtime } = await able(target);
      if (runtime.exec === undefined) throw unable(runtime.name, 'run commands');
      return await runtime.exec(handle, id, order);
    },
    join: async (target, id) => {
      const { handle, runtime } = await able(target);
      if (runtime.join === undefined) throw unable(runtime.name, 'join commands');
      return await runtime.join(handle, id);
    },
    list: async (target) => {
      const { handle, runtime } = await able(target);
      return (await runtime.execs?.(handle)) ?? [];
    },
    signal: async (target, id, name) => {
      const { handle, runtime } = await able(target);
      if (runtime.signalExec === undefined) throw unable(runtime.name, 'signal commands');
      await runtime.signalExec(handle, id, name);
    },
  };
}

function filesOf({ agent, opened }: LocalEngineParts): EngineFiles {
  return {
    open: async (target) => {
      await opened;
      const { handle, runtime } = agent.running(target);
      if (runtime.files === undefined) throw unable(runtime.name, 'reach files');
      return await runtime.files(handle);
    },
  };
}

function limitsOf({ agent, opened }: LocalEngineParts): EngineLimits {
  return {
    set: async (target, limits) => {
      await opened;
      const { handle, runtime } = agent.running(target);
      if (runtime.setLimits === undefined) throw new ArcError('method_not_allowed', `${runtime.name} can not do that`);
      await runtime.setLimits(handle, limits);
    },
  };
}

function networkOf({ agent, opened }: LocalEngineParts, network: LocalNetwork): EngineNetwork {
  return {
    set: async (target, spec) => {
      await opened;
      const { handle, runtime } = agent.running(target);
      await network.firewall.admit({ id: target.id, slot: handle.slot, spec });
      const files = runtime.files?.bind(runtime);
      if (files !== undefined) await network.tellNameServer(target.id, () => files(handle), spec.network);
    },
    use: async (target) => {
      await opened;
      const { handle } = agent.running(target);
      return await network.use(handle.slot);
    },
  };
}

function statsOf({ agent, logs, opened }: LocalEngineParts): EngineStats {
  return {
    stats: async (target) => {
      await opened;
      const { handle, runtime } = agent.running(target);
      if (runtime.stats === undefined) throw unable(runtime.name, 'measure');
      const [stats, log] = await Promise.all([runtime.stats(handle), logs.totals(target.id)]);
      return { ...stats, logBytes: log.bytes, logDropped: log.dropped };
    },
    processes: async (target) => {
      await opened;
      const { handle, runtime } = agent.running(target);
      return (await runtime.processes?.(handle)) ?? [];
    },
  };
}

function unable(runtime: string, what: string): ArcError {
  return new ArcError('wrong_state', `${runtime} can not ${what}`);
}
