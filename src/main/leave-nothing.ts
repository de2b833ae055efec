import { removeCgroupRoots } from '../host/cgroups/remove-roots.ts';
import { Barrier } from '../host/network/barrier.ts';
import { claimedRange } from '../host/network/claim-range.ts';
import { instanceTag } from '../host/network/plan.ts';
import { finder } from '../host/setup/index.ts';
import { releaseRegions } from '../host/uids/regions.ts';
import { HOST_REGISTRY } from '../host/uids/registry.ts';
import { silentLogger } from '../kit/logger.ts';
import { realClock } from '../kit/real.ts';
import { runProgram } from '../kit/run.ts';
import { searchPath } from './host-setup.ts';
import { reachHelper } from './reach-helper.ts';
import { processStart } from './server-file.ts';

const END_MS_MAX = 20_000;
const POLL_MS = 20;

/** With no sandbox left to look after, helper, firewall table and barrier, cgroup folders and host ids go too. Gives how many are left. */
export async function leaveNothing(dataDir: string): Promise<number> {
  // A plain user has none of them.
  if (process.getuid?.() !== 0) return 0;
  const left = await helperHolds(dataDir);
  if (left > 0) return left;
  await quitHelper(dataDir);
  await removeRules(dataDir);
  await removeCgroupRoots(dataDir);
  releaseRegions(dataDir, HOST_REGISTRY);
  return 0;
}

/** Without a sandbox and without a server there is nobody left for the firewall table to hold back. */
async function removeRules(dataDir: string): Promise<void> {
  const { find } = finder(searchPath());
  const range = claimedRange(dataDir);
  // Before the table: what it blocks is what the table has not seen.
  if (range !== undefined) {
    await new Barrier({ plan: { range }, ip: find('ip'), run: runProgram, log: silentLogger }).remove();
  }
  const nft = find('nft');
  if (nft === undefined) return;
  const argv = [nft, 'delete', 'table', 'inet', `arc_${instanceTag(dataDir)}`];
  await runProgram(argv, { env: {}, timeoutMs: END_MS_MAX });
}

/** What waited in pools is nobody's and in no list: once the server has stopped the helper alone ends it. */
export async function removeHeld(dataDir: string): Promise<void> {
  const helper = await reachHelper(dataDir);
  if (helper === undefined) return;
  try {
    for (const entry of await helper.list()) await helper.destroy(entry);
  } finally {
    await helper[Symbol.asyncDispose]();
  }
}

/** How many sandboxes the running helper holds; 0 where none runs. */
export async function helperHolds(dataDir: string): Promise<number> {
  const helper = await reachHelper(dataDir);
  if (helper === undefined) return 0;
  try {
    return (await helper.list()).length;
  } finally {
    await helper[Symbol.asyncDispose]();
  }
}

async function quitHelper(dataDir: string): Promise<void> {
  const helper = await reachHelper(dataDir);
  if (helper === undefined) return;
  const pid = helper.pid;
  await helper.quit();
  await helper[Symbol.asyncDispose]();
  if (pid === undefined) return;
  const deadline = realClock.monotonic() + END_MS_MAX;
  while (processStart(pid) !== undefined && realClock.monotonic() < deadline) await realClock.sleep(POLL_MS);
}
