import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import type { BenchResult } from '../../src/cli/bench/result.ts';
import { LAUNCHER, type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 231 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

async function nothingIsLeft(): Promise<void> {
  for await (const { id, state } of arc.client.sandboxes.list()) assert.equal(state, 'removed', id);
  const own = (await arc.client.templates.list()).filter(({ builtin }) => !builtin);
  assert.deepEqual(
    own.map(({ name }) => name),
    [],
  );
}

test('arc bench measures the levels that are here, says why others are not, and leaves nothing', async () => {
  const { code, stdout, stderr } = await arc.cli(
    'bench',
    '--rounds',
    '1',
    '--level',
    'container',
    '--level',
    'kata',
    '--json',
  );
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as BenchResult;
  const [container, kata] = result.levels;
  assert.ok(container?.available);
  assert.match(container.checked, /^1 of 1 looked at from outside, each the whole box/);
  for (const measure of ['claim', 'claimAnswer', 'create', 'exec', 'wakeFrozen', 'wakeStopped', 'remove'] as const)
    assert.ok((container.figures[measure]?.p50 ?? 0) > 0, `${measure}: ${JSON.stringify(container.notMeasured)}`);
  assert.ok((container.memory.programs ?? 0) > 0);
  assert.ok((container.walls[0]?.room ?? -1) >= 0);
  assert.ok(container.walls.some(({ name }) => name === 'addresses'));
  assert.deepEqual([kata?.available, kata?.figures], [false, {}]);
  assert.ok(kata?.why);
  await nothingIsLeft();
});

test('interrupted, it removes what it had made and ends as interrupted programs do', async () => {
  const argv = ['bench', '--rounds', '1000', '--level', 'container', '--data-dir', arc.dataDir];
  const child = spawn(LAUNCHER, argv, { stdio: 'ignore' });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await until('it has made a sandbox', async () => {
    for await (const { state } of arc.client.sandboxes.list()) if (state === 'running') return true;
    return false;
  });
  child.kill('SIGINT');
  assert.equal(await ended, 130);
  await nothingIsLeft();
});
