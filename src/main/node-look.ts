import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeLook } from '../cli/bench/node-look.ts';
import type { Level } from '../contract/states.ts';
import { walls } from '../domain/walls.ts';
import { type Probe, realProbe } from '../host/doctor/index.ts';
import {
  availableBytes,
  boxFaults,
  type Counts,
  countsOf,
  folderUse,
  ruleFaults,
  SEEN_LEVELS,
  seeBox,
  supplies,
} from '../host/look/index.ts';
import { instanceTag, networkPlan } from '../host/network/plan.ts';
import { realClock } from '../kit/real.ts';
import { searchPath } from './host-setup.ts';
import { reachHelper } from './reach-helper.ts';
import { runningServer } from './server-file.ts';
import { readConfig } from './up.ts';

/** Any that is right for Ethernet: only the number of addresses is asked for here. */
const MTU = 1500;

/** This machine as root sees it, for the server of this data folder; undefined where it runs elsewhere. */
export async function nodeLook(dataDir: string): Promise<NodeLook | undefined> {
  const server = runningServer(dataDir);
  if (process.getuid?.() !== 0 || server === undefined) return undefined;
  const helper = await reachHelper(dataDir).catch(() => undefined);
  const helperPid = helper?.pid;
  await helper?.[Symbol.asyncDispose]();
  const probe = realProbe({ clock: realClock, path: searchPath(), uid: 0 });
  const config = readConfig(['--data-dir', dataDir]);
  const addresses = networkPlan(config.networkRange.text, dataDir, MTU, () => 0).slots;
  const pids = { serverPid: server.pid, helperPid };
  let before: Counts = countsOf(pids);
  return {
    availableBytes: () => availableBytes(probe),
    canSee: (level) => SEEN_LEVELS.includes(level),
    faults: async (ids, level) => [
      ...ids.flatMap((id) => faultsOf(dataDir, id, level).map((fault) => `${id}: ${fault}`)),
      ...(await missingRules(probe, dataDir)),
    ],
    begin: () => {
      before = countsOf(pids);
    },
    walls: (ids, { memoryBytes, processes }) => {
      const after = countsOf(pids);
      const folders = ids.map((id) => folderUse(join(dataDir, 'sandboxes', id)));
      const per = (sum: number) => (ids.length === 0 ? 0 : sum / ids.length);
      const grown = (one: number | undefined, other: number | undefined) =>
        one === undefined || other === undefined ? 0 : Math.max(0, per(one - other));
      const each = {
        ...{ memoryBytes, processes },
        diskBytes: per(folders.reduce((sum, { bytes }) => sum + bytes, 0)),
        diskFiles: per(folders.reduce((sum, { files }) => sum + files, 0)),
        helperFiles: grown(after.helperFiles, before.helperFiles),
        serverFiles: grown(after.serverFiles, before.serverFiles),
      };
      return walls(
        supplies(
          {
            ...{
              probe,
              dataDir,
              ...pids,
              live: readdirSync(join(dataDir, 'sandboxes')).length,
              most: config.maxSandboxes,
              addresses,
            },
          },
          each,
        ),
      );
    },
  };
}

function faultsOf(dataDir: string, id: string, level: Level): readonly string[] {
  const programs = seeBox(dataDir, id, level);
  return programs.length === 0 ? ['no program runs in it'] : programs.flatMap((seen) => boxFaults(seen, level));
}

/** Of all sandboxes together: one table of rules for every one of them. */
async function missingRules(probe: Probe, dataDir: string): Promise<readonly string[]> {
  const nft = probe.find('nft');
  if (nft === undefined) return ['nft is not here to show the rules'];
  const argv = [nft, '-s', 'list', 'table', 'inet', `arc_${instanceTag(dataDir)}`];
  const { code, stdout } = await probe.run(argv);
  return code === 0 ? ruleFaults(stdout) : ['no rules keep sandboxes from networks that are refused'];
}
