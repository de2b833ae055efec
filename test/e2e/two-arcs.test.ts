import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { viaEdge } from './lib/fetch.ts';
import { kernelTruth } from './lib/kernel-truth.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';

/** Host uids of what runs in the sandboxes of one Arc, as the kernel maps them: `[first, count]`. */
function uidRanges(arc: LaunchedArc): readonly (readonly [number, number])[] {
  return kernelTruth(arc.dataDir).pids.flatMap((pid) => {
    const [, first, count] = readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/).map(Number);
    return first === undefined || count === undefined ? [] : [[first, count] as const];
  });
}

async function create(arc: LaunchedArc): Promise<string> {
  return (await arc.client.sandboxes.create({ template: 'whoami' })).id;
}

const answers = async (arc: LaunchedArc, id: string) =>
  (await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${id}/`)).status;

test('two Arcs on one host share no uid, cgroup, interface or namespace, and one goes without the other noticing', async () => {
  await using one = await launchArc({ octet: 215 });
  const two = await launchArc({ octet: 226 });
  await using _two = two;
  const ids = [await create(one), await create(one)];
  await create(two);
  await create(two);
  const [first, second] = [kernelTruth(one.dataDir), kernelTruth(two.dataDir)];
  const both = (list: (truth: typeof first) => readonly string[]) => [...list(first), ...list(second)];
  assert.deepEqual(first.cgroups, [...ids].sort());
  assert.equal(new Set(both(({ cgroups }) => cgroups)).size, 4);
  assert.equal(new Set(both(({ interfaces }) => interfaces)).size, 4);
  const ranges = [...uidRanges(one), ...uidRanges(two)].sort(([a], [b]) => a - b);
  assert.equal(ranges.length, 4);
  for (const [at, [start, count]] of ranges.entries()) {
    assert.ok(start + count <= (ranges[at + 1]?.[0] ?? 2 ** 31), `ids from ${start} are another's too`);
  }
  const down = await two.cli('down', '--all');
  assert.equal(down.code, 0, down.stderr);
  const left = kernelTruth(two.dataDir);
  assert.deepEqual([left.cgroups, left.interfaces, left.helpers], [[], [], []]);
  for (const id of ids) assert.equal(await answers(one, id), 200);
  assert.deepEqual(kernelTruth(one.dataDir), first);
});

test('a second Arc on a range that the first has, which has no sandbox yet, is refused with whose it is', async () => {
  await using one = await launchArc({ octet: 215 });
  await assert.rejects(launchArc({ octet: 215 }), (error) => String(error).includes(`of the Arc in ${one.dataDir}`));
});
