import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { LevelView } from '../../src/contract/schemas/levels.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { type PlainUser, plainUser } from './lib/plain-user.ts';
import { until } from './lib/until.ts';

/** Arc of somebody who is not root and has Node, in a copy of it that is another's. */
let user: PlainUser;
let arc: LaunchedArc;
before(async () => {
  user = await plainUser();
  const { program, env, home } = user;
  arc = await launchArc({ program, env, dataDir: join(home, '.arc') });
});
after(async () => {
  await arc?.[Symbol.asyncDispose]();
  await user?.[Symbol.asyncDispose]();
});

const WAIT_MS = 120_000;

test('it says at its start what it gives and what root would add', async () => {
  await until('the levels are told', async () => arc.output().includes('isolation levels here'), WAIT_MS);
  assert.match(arc.output(), /as a plain user: Python and JavaScript/);
  assert.match(arc.output(), /isolation levels here: wasm/);
});

test('Python and JavaScript run by the commands that run them anywhere, with input, output and exit code', async () => {
  const python = await arc.cli('run', 'python', '--', 'python3', '-c', 'import sys; print(6*7); sys.exit(3)');
  assert.deepEqual([python.code, python.stdout], [3, '42\n'], python.stderr);
  const node = await arc.cli('run', 'node', '--', 'node', '-e', 'console.log(6*7)');
  assert.deepEqual([node.code, node.stdout], [0, '42\n'], node.stderr);
  const named = await arc.cli('run', 'python', '--isolation', 'wasm', '--', 'python3', '-c', 'print(1)');
  assert.deepEqual([named.code, named.stdout], [0, '1\n'], named.stderr);
});

test('a program that takes too much memory or too long is ended, and it is said why', async () => {
  const much = 'x = [bytearray(1 << 20) for _ in range(4000)]';
  const greedy = await arc.cli('run', 'python', '--memory', '64MiB', '--', 'python3', '-c', much);
  assert.equal(greedy.code, 137, greedy.stderr);
  assert.match(greedy.stderr, /out of memory/);
  const endless = await arc.cli('run', 'node', '--timeout', '1s', '--', 'node', '-e', 'for (;;);');
  assert.equal(endless.code, 124, endless.stderr);
});

test('a sandbox has logs and files, and outlives a restart of the server', async () => {
  const { client } = arc;
  const printing = ['python3', '-c', 'print("to the log")'];
  await using program = await client.sandboxes.create({ template: 'python', command: printing }, { wait: '5m' });
  assert.equal(program.info.isolation, 'wasm');
  await until('it has ended', async () => (await program.refresh()).exit?.code === 0, WAIT_MS);
  const logs = await arc.cli('logs', program.id);
  assert.match(logs.stdout, /to the log/);

  const made = await client.sandboxes.create({ template: 'python' }, { wait: '5m' });
  await made.exec(['python3', '-c', 'open("kept.txt", "w").write("kept")']);
  await arc.kill();
  arc = await arc.again();
  const found = await arc.client.sandboxes.get(made.id);
  const read = await found.exec(['python3', '-c', 'print(open("kept.txt").read())']);
  assert.equal(read.stdout, 'kept\n');
  await found.remove();
});

test('the console and the guide are served, built in the data folder', async () => {
  const page = await fetch(`${arc.api}/console/`);
  const html = await page.text();
  assert.equal(page.status, 200, html);
  const script = /src="([^"]+\.js)"/.exec(html)?.[1] ?? '';
  const code = await fetch(new URL(script, page.url));
  assert.equal(code.status, 200);
  assert.match(code.headers.get('content-type') ?? '', /javascript/);
  assert.equal((await fetch(`${arc.api}/guide/`)).status, 200);
});

test('what needs root is refused with what there is, and `levels` and `doctor` say how to get it', async () => {
  const asked = arc.client.sandboxes.create({ template: 'shell' });
  await assert.rejects(asked, { code: 'isolation_unavailable', hint: /wasm/ });
  const levels: readonly LevelView[] = await arc.client.levels();
  for (const { level, available, note, how } of levels) {
    assert.equal(available, level === 'wasm', note);
    if (!available) assert.match(`${note}; ${how}`, /plain user here.*root/, level);
  }
  const [node] = await arc.client.nodes();
  assert.match(node?.levels.find(({ level }) => level === 'container')?.how ?? '', /sudo/);
  const doctor = await arc.cli('doctor', '--json');
  const { checks } = JSON.parse(doctor.stdout) as { checks: readonly { id: string; status: string; found: string }[] };
  const one = (id: string) => checks.find((check) => check.id === id);
  assert.equal(one('server.answers')?.found, 'answers');
  assert.match(one('server.root')?.found ?? '', /user \d/);
  assert.match(JSON.stringify(one('server.root')), /wasm.*sudo/);
  assert.equal(one('helper.answers')?.status, 'ok', doctor.stdout);
  assert.ok(!one('server.alone')?.found.includes(String(arc.pid)), one('server.alone')?.found);
});

test('a program sees nothing of the machine and of the user who started Arc', async () => {
  const script = [
    'import os',
    `paths = [${JSON.stringify(join(arc.dataDir, 'admin.key'))}, "/etc/passwd", "/proc/self/environ", "/var/lib"]`,
    'for path in paths: print(os.path.exists(path))',
    'print(os.system("id"))',
  ].join('\n');
  const seen = await arc.cli('run', 'python', '--', 'python3', '-c', script);
  assert.ok(!/True|uid=/.test(seen.stdout), seen.stdout);
  assert.ok(!(seen.stdout + seen.stderr).includes(arc.key));
});
