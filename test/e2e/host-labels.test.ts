import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type LaunchedArc, launchArc } from './lib/launch.ts';

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 153 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

test('on the machine itself a sandbox is found by its id, its owner and its labels', async () => {
  const labels = { user_id: '42', 'run.oci.handler': 'krun' };
  await using sandbox = await arc.client.sandboxes.create({ template: 'whoami', labels });
  const config = readFileSync(join(arc.dataDir, 'sandboxes', sandbox.id, 'config.json'), 'utf8');
  const { annotations } = JSON.parse(config) as { annotations: Record<string, string> };
  assert.equal(annotations['arc.owner'], 'admin');
  assert.equal(annotations['arc.template'], 'whoami');
  assert.equal(annotations['arc.label.user_id'], '42');
  assert.equal(annotations['run.oci.handler'], undefined, 'no label reaches what a runtime reads');
  // What `ps -o cgroup` and systemd-cgls show.
  const mine = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && cgroupOf(name).includes(sandbox.id));
  assert.ok(mine.length > 0, 'its processes are in a cgroup with its id in the path');
});

/** Empty for a process that has ended meanwhile. */
function cgroupOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return '';
  }
}
