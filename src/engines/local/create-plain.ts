import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from '../../agent/agent.ts';
import { Slots } from '../../agent/slots.ts';
import { LEVEL_WORDS } from '../../contract/levels.ts';
import type { Level } from '../../contract/states.ts';
import type { NodeHelper } from '../../host/helper/port.ts';
import type { Images } from '../../host/images.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import type { Run } from '../../kit/run.ts';
import { createWasm } from '../../runtimes/wasm/index.ts';
import { LocalEngine, type NodeLogs } from './engine.ts';

export interface PlainEngineDeps {
  readonly node: string;
  readonly dataDir: string;
  readonly wasm: { readonly node: string; readonly project: string };
  /** Absolute path, where it is installed: a plain user may use it where the kernel lets plain users make namespaces. */
  readonly bwrap?: string;
  readonly images: Images;
  readonly logs: NodeLogs;
  readonly run: Run;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly arch: string;
}

export interface PlainNode extends AsyncDisposable {
  readonly engine: LocalEngine;
  readonly agent: Agent;
  readonly opened: Promise<void>;
}

/** Sandboxes at once; there are no addresses that would bound them. */
const SLOTS = 10_000;
const NEEDS_ROOT = {
  note: 'Arc runs as a plain user here, and this level needs root',
  how: 'start Arc as root (`sudo ./arc up`), which installs what is missing',
};
/** Root alone brings neither: what they start from comes by a command, and from others. */
const NEEDS_MORE: Partial<Record<Level, string>> = {
  kata: `start Arc as root; then ${LEVEL_WORDS.kata.how}`,
  microvm: 'as root: `sudo ./arc kit`, then `sudo ./arc up`; /dev/kvm makes it fast',
};

/** This machine without root: no helper, no network, no cgroups, and with what needs none of them. */
export async function createPlainEngine(deps: PlainEngineDeps): Promise<PlainNode> {
  const { dataDir, run, clock, rng, log, arch } = deps;
  const sandboxesDir = join(dataDir, 'sandboxes');
  await mkdir(sandboxesDir, { recursive: true });
  await chmod(sandboxesDir, 0o700);
  const jail = deps.bwrap === undefined ? {} : { bwrap: deps.bwrap };
  const borrowUid = () => ({ uid: 0, giveBack: () => {} });
  const wasm = createWasm({ ...deps.wasm, ...jail, dataDir, root: false, arch, borrowUid, run, clock, log });
  const agent = new Agent({
    node: deps.node,
    runtimes: [wasm.runtime],
    helper: nobody(sandboxesDir),
    images: deps.images,
    slots: new Slots(SLOTS),
    sandboxesDir,
    released: async () => {},
    checkRules: async () => {},
    explain: async () => undefined,
    absent: (level) => ({ ...NEEDS_ROOT, ...(NEEDS_MORE[level] && { how: NEEDS_MORE[level] }) }),
    ...{ clock, rng, log },
  });
  const opened = agent.open();
  const { levels } = agent.levels;
  return {
    engine: new LocalEngine({ node: deps.node, dataDir, agent, levels, logs: deps.logs, opened }),
    agent,
    opened,
    [Symbol.asyncDispose]: async () => {
      await opened.catch(() => undefined);
      agent.close();
      wasm.close();
    },
  };
}

/** In the place of a helper: nothing is held outside of this process, and what is left over are folders. */
function nobody(sandboxesDir: string): Pick<NodeHelper, 'list' | 'destroy' | 'onConnection'> {
  return {
    list: async () => [],
    destroy: async ({ id }) => await removeTree(join(sandboxesDir, id), sandboxesDir),
    onConnection: () => () => {},
  };
}
