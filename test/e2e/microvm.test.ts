import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { hostOf, viaEdge } from './lib/fetch.ts';
import { dataDirWithKit } from './lib/kit.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** Virtual machines through the launcher: with KVM where there is one, else by emulation. */
const SLOW_MS = 180_000;
let arc: LaunchedArc;

before(async () => {
  arc = await launchArc({ octet: 143, dataDir: await dataDirWithKit() });
  const { template } = await arc.client.templates.get('python');
  await arc.client.templates.add({
    ...template,
    name: 'machine',
    isolation: 'microvm',
    usually: 'microvm',
    command: ['sleep', '100000'],
  });
});
after(() => arc[Symbol.asyncDispose]());

const machine = (template = 'machine') => arc.client.sandboxes.create({ template, isolation: 'microvm' });
const answer = async (url: string | undefined) => (await viaEdge(arc.edge, hostOf(url ?? ''), '/')).status;

test('the level is there and says how; a sandbox of it has a kernel of its own', { timeout: SLOW_MS }, async () => {
  const level = (await arc.client.levels()).find((one) => one.level === 'microvm');
  assert.ok(level?.available, level?.note);
  assert.match(level.note, /emulation|kernel/);
  assert.ok((level.cost?.startMs ?? 0) > 0 && (level.cost?.memoryBytes ?? 0) > 0);
  await using one = await machine();
  assert.equal(one.info.isolation, 'microvm');
  const { stdout } = await one.exec(['uname', '-r']);
  assert.notEqual(stdout.trim(), (await readFile('/proc/sys/kernel/osrelease', 'utf8')).trim());
  assert.match(stdout, /^6\.|^5\./);
});

test('create, answers through the edge, commands, logs, files and remove', { timeout: SLOW_MS }, async () => {
  const web = await machine('whoami');
  assert.equal(await answer(web.info.url), 200);
  await web.remove();
  assert.notEqual(await answer(web.info.url), 200);

  const { template } = await arc.client.templates.get('machine');
  const talks = ['python3', '-uc', 'import time; print("hello from inside"); time.sleep(1e6)'];
  await arc.client.templates.add({ ...template, name: 'talks', command: talks });
  await using one = await machine('talks');
  assert.equal((await one.exec(['python3', '-c', 'print(6*7)'])).stdout, '42\n');
  assert.equal((await one.exec(['sh', '-c', 'echo no >&2; exit 3'])).code, 3);
  await one.files.write('/tmp/note', 'from outside');
  assert.equal((await one.exec(['cat', '/tmp/note'])).stdout, 'from outside');
  await one.exec(['sh', '-c', 'echo from inside > /tmp/answer']);
  const parts = await Array.fromAsync(await one.files.read('/tmp/answer'));
  assert.equal(Buffer.concat(parts).toString(), 'from inside\n');
  await until('its first words are in the log', async () =>
    (await arc.cli('logs', one.id)).stdout.includes('hello from'),
  );
});

test('a restarted server goes on with the machines that run', { timeout: SLOW_MS }, async () => {
  const one = await machine();
  await one.exec(['sh', '-c', 'echo kept > /tmp/kept']);
  await arc.kill();
  arc = await arc.again();
  const found = await arc.client.sandboxes.get(one.id);
  await until('it is running again', async () => (await found.refresh()).state === 'running');
  assert.equal((await found.exec(['cat', '/tmp/kept'])).stdout, 'kept\n');
  await found.remove();
});
