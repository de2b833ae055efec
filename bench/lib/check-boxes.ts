import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REFUSED_V4 } from '../../src/domain/network/refused.ts';
import { groupPaths, hierarchiesHere } from '../../src/host/cgroups/hierarchies.ts';
import { cgroupRoot } from '../../src/host/cgroups/root.ts';
import { instanceTag } from '../../src/host/network/plan.ts';
import type { LaunchedArc } from '../../test/e2e/lib/launch.ts';

const LOOKED_AT = 20;
const WHOAMI_MEMORY_BYTES = 16 * 1024 * 1024;
const WHOAMI_PIDS = 16;

/**
 * Looks at up to 20 `whoami` sandboxes, chosen at random, from outside: are they the full box that the figures are said to be
 * of? Throws where one is not; gives the line that says what was looked at, and by which runtime they run.
 */
export async function checkBoxes(arc: LaunchedArc, ids: readonly string[]): Promise<string> {
  const some = [...ids].sort(() => Math.random() - 0.5).slice(0, LOOKED_AT);
  for (const id of some) checkBox(arc.dataDir, id);
  checkRules(arc.dataDir);
  const { runtime } = (await arc.client.sandboxes.get(some[0] ?? '')).info;
  const [version] = execFileSync(runtime ?? '', ['--version'], { encoding: 'utf8' }).split('\n');
  return `${some.length} looked at: user namespace, seccomp, no capabilities, limits and rules are in force; ${version}`;
}

function checkBox(dataDir: string, id: string): void {
  const record = readFileSync(join(dataDir, 'sandboxes', id, 'record'), 'utf8').split('\0');
  const pid = record.find((field) => field.startsWith('pid='))?.slice('pid='.length);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1];
  assert.deepEqual([field('NoNewPrivs'), field('Seccomp'), field('Seccomp_filters')], ['1', '2', '1'], id);
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.match(field(set) ?? '', /^0+$/, id);
  const [inside, outside, count] = readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/).map(Number);
  assert.ok(inside === 0 && (outside ?? 0) >= 65_536 && count === 65_536, `uid map of ${id}`);
  const paths = groupPaths(hierarchiesHere(), cgroupRoot(dataDir), id);
  const limit = (folder: string, file: string) => Number(readFileSync(join(folder, file), 'utf8'));
  assert.equal(limit(paths.memory, paths.version === 2 ? 'memory.max' : 'memory.limit_in_bytes'), WHOAMI_MEMORY_BYTES);
  assert.equal(limit(paths.pids, 'pids.max'), WHOAMI_PIDS);
}

function checkRules(dataDir: string): void {
  const table = `arc_${instanceTag(dataDir)}`;
  // It fails where one of them is not in the set, however the kernel has merged them.
  const addresses = REFUSED_V4.map((network) => network.split('/')[0]).join(', ');
  execFileSync('nft', ['get', 'element', 'inet', table, 'refused4', `{ ${addresses} }`]);
}
