import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalEngine, type LocalEngineDeps, type LocalNode } from '../../../src/engines/local/index.ts';
import { removeCgroupRoots } from '../../../src/host/cgroups/remove-roots.ts';
import { buildHelper } from '../../../src/host/helper/build.ts';
import type { HelperClient } from '../../../src/host/helper/client.ts';
import { superviseHelper } from '../../../src/host/helper/supervise.ts';
import type { Images } from '../../../src/host/images.ts';
import { JournalLogs } from '../../../src/host/journal/logs.ts';
import { releaseRegions } from '../../../src/host/uids/regions.ts';
import { HOST_REGISTRY } from '../../../src/host/uids/registry.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { runProgram } from '../../../src/kit/run.ts';
import { busyboxRoot, PROGRAMS, someRange } from './harness.ts';

export interface LocalWorld extends AsyncDisposable {
  readonly dir: string;
  readonly lower: string;
  readonly helper: HelperClient;
  readonly node: LocalNode;
  /** The same node, as a server sees it that has just been started again. */
  again(): Promise<LocalNode>;
}

/** The local engine on a data folder of its own. Nothing of it is left at the end. */
export async function localWorld(range?: string, changes: Partial<LocalEngineDeps> = {}): Promise<LocalWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'arce-'));
  await chmod(dir, 0o711);
  const lower = busyboxRoot(dir);
  const helper = await superviseHelper({
    binary: await buildHelper(),
    dataDir: dir,
    clock: realClock,
    logger: silentLogger,
  });
  const deps: LocalEngineDeps = {
    node: 'here',
    dataDir: dir,
    networkRange: range ?? (await someRange()),
    uidRegistry: HOST_REGISTRY,
    served: () => false,
    programs: {
      nft: '/usr/sbin/nft',
      mkfs: '/usr/sbin/mkfs.ext4',
      nsenter: '/usr/bin/nsenter',
      cp: '/usr/bin/cp',
      ip: '/usr/sbin/ip',
      ...PROGRAMS,
    },
    helper,
    images: onlyRoot(lower),
    logs: new JournalLogs(join(dir, 'sandboxes'), realClock),
    run: runProgram,
    clock: realClock,
    rng: realRng,
    log: silentLogger,
    arch: process.arch,
    ...changes,
  };
  const node = await createLocalEngine(deps);
  const nodes = [node];
  const end = async () => {
    for (const one of nodes) await one[Symbol.asyncDispose]();
    for (const entry of await helper.list()) await helper.destroy(entry);
    await node.firewall.remove();
    await helper.quit();
    await helper[Symbol.asyncDispose]();
    releaseRegions(dir, HOST_REGISTRY);
    await removeCgroupRoots(dir);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await node.opened;
  } catch (error) {
    await end();
    throw error;
  }
  return {
    dir,
    lower,
    helper,
    node,
    again: async () => {
      const next = await createLocalEngine(deps);
      nodes.push(next);
      await next.opened;
      return next;
    },
    [Symbol.asyncDispose]: end,
  };
}

/** Every root is the one of the tests. */
function onlyRoot(lower: string): Images {
  const unused = () => Promise.reject(new Error('not of this test'));
  return { pull: unused, addPath: unused, prune: unused, resolve: async () => [lower] };
}

export function ip(...args: readonly string[]): string {
  const result = spawnSync('/usr/sbin/ip', args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`ip ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}
