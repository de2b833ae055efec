import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hostOf, viaEdge } from './lib/fetch.ts';
import { kernelTruth } from './lib/kernel-truth.ts';
import { type LaunchedArc, launchArc, runCommand } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** The whole way with the real launcher on the real kernel. */
let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 201 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

test('a sandbox is created, answers through the edge, and is gone after rm', async () => {
  const made = await arc.cli('create', 'whoami', '--label', 'user_id=42', '--json');
  assert.equal(made.code, 0, made.stderr);
  const view = JSON.parse(made.stdout) as { id: string; state: string; url: string; isolation: string };
  assert.match(view.id, /^sb-[a-z2-7]{4,37}$/);
  assert.equal(view.state, 'running');
  assert.equal(view.isolation, 'container');

  const byHost = await viaEdge(arc.edge, hostOf(view.url));
  assert.equal(byHost.status, 200);
  assert.match(byHost.body, new RegExp(view.id));
  const byPath = await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${view.id}/`);
  assert.equal(byPath.status, 200);

  const listed = await arc.cli('ls', '--label', 'user_id=42', '--json');
  assert.match(listed.stdout, new RegExp(view.id));

  const removed = await arc.cli('rm', view.id);
  assert.equal(removed.code, 0, removed.stderr);
  assert.equal((await viaEdge(arc.edge, hostOf(view.url))).status, 410);
});

test('run streams stdout and stderr apart, pipes stdin in, gives the exit code, and leaves nothing', async () => {
  const env = { ARC_DATA_DIR: arc.dataDir };
  const hello = await runCommand(['run', 'python', '--', 'python3', '-c', 'print(6*7)'], env);
  assert.deepEqual(hello, { code: 0, stdout: '42\n', stderr: '' });
  const both = await runCommand(
    ['run', 'shell', '--', 'sh', '-c', 'cat; echo away >&2; exit 7'],
    env,
    'what came in\n',
  );
  assert.deepEqual(both, { code: 7, stdout: 'what came in\n', stderr: 'away\n' });
  const late = await runCommand(['run', 'shell', '--timeout', '1s', '--', 'sleep', '60'], env);
  assert.equal(late.code, 124);
  const missing = await runCommand(['run', 'shell', '--', 'no-such-program'], env);
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /no-such-program/);
  const left = await arc.cli('ls', '--json');
  assert.deepEqual((JSON.parse(left.stdout) as { items?: unknown[] }).items ?? JSON.parse(left.stdout), []);
});

test('a command, a terminal, files and logs work in one sandbox, and reset makes it fresh at the same address', async () => {
  await using sandbox = await arc.client.sandboxes.create({
    template: 'python',
    command: ['sh', '-c', 'echo begun; while read line; do :; done; sleep infinity'],
  });
  const { stdout } = await sandbox.exec(['sh', '-c', 'echo $((6*7)); id -u']);
  assert.equal(stdout, '42\n0\n');

  const terminal = await sandbox.terminal({ cols: 80, rows: 24 });
  let screen = '';
  const reading = (async () => {
    for await (const chunk of terminal.output) screen += Buffer.from(chunk.data).toString();
  })();
  await terminal.write('stty size\n');
  await until('the first size', async () => screen.includes('24 80'));
  await terminal.resize(100, 30);
  await terminal.write('stty size\n');
  await until('the new size', async () => screen.includes('30 100'));
  await terminal.write('sleep 1000\n');
  await until('sleep runs', async () => (await sandbox.processes()).some(({ command }) => command === 'sleep 1000'));
  await terminal.write('\x03');
  await until('Ctrl-C ended it', async () =>
    (await sandbox.processes()).every(({ command }) => command !== 'sleep 1000'),
  );
  await terminal.write('exit 3\n');
  await reading;
  assert.equal((await terminal.exit).code, 3);

  await sandbox.files.write('/tmp/hello', 'hello\n');
  assert.equal(await sandbox.files.readText('/tmp/hello'), 'hello\n');
  assert.ok((await sandbox.files.list('/tmp')).some((entry) => entry.name === 'hello' && entry.size === 6));

  const first = await firstLog(sandbox.id);
  assert.equal(first.data, 'begun\n');

  const before = sandbox.info;
  const fresh = await sandbox.reset();
  assert.equal(fresh.id, before.id);
  assert.equal(fresh.incarnation, before.incarnation + 1);
  await assert.rejects(sandbox.files.readText('/tmp/hello'), { code: 'file_not_found' });
});

test('restart keeps the files of a sandbox', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'shell' });
  await sandbox.files.write('/root/kept', 'still here');
  await sandbox.restart();
  assert.equal(await sandbox.files.readText('/root/kept'), 'still here');
});

test('cp takes a file and a folder in and out again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-cp-'));
  await using sandbox = await arc.client.sandboxes.create({ template: 'shell' });
  try {
    await writeFile(join(dir, 'one'), 'one');
    await arc.cli('cp', join(dir, 'one'), `${sandbox.id}:/tmp/`);
    assert.equal((await sandbox.exec(['cat', '/tmp/one'])).stdout, 'one');
    await sandbox.exec([
      'sh',
      '-c',
      'mkdir -p /srv/tree/deep; echo two > /srv/tree/deep/two; ln -s deep/two /srv/tree/link',
    ]);
    const out = await arc.cli('cp', `${sandbox.id}:/srv/tree`, dir);
    assert.equal(out.code, 0, out.stderr);
    assert.equal(await readFile(join(dir, 'tree/deep/two'), 'utf8'), 'two\n');
    assert.equal(await readFile(join(dir, 'tree/link'), 'utf8'), 'two\n');
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('logs are followed from a sequence number and nothing is given twice, over a restart of the server too', async () => {
  await using sandbox = await arc.client.sandboxes.create({
    template: 'shell',
    command: ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done'],
  });
  const seen: number[] = [];
  const enough = new AbortController();
  let text = '';
  const following = (async () => {
    for await (const entry of sandbox.logs({ follow: true, signal: enough.signal })) {
      seen.push(entry.seq);
      text += entry.stream === 'stdout' ? entry.data : '';
    }
  })().catch(() => {});
  await until('twenty lines', async () => text.split('\n').length > 20);
  await arc.kill();
  arc = await arc.again();
  const after = await arc.client.sandboxes.get(sandbox.id);
  assert.equal(after.state, 'running');
  enough.abort();
  await following;
  let rest = '';
  for await (const entry of after.logs({ since: seen.at(-1) ?? 0, tail: 1000 })) {
    if (entry.stream === 'stdout') rest += entry.data;
  }
  const numbers = [...(text + rest).matchAll(/line (\d+)\n/g)].map((match) => Number(match[1]));
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
  );
  await after.remove();
});

test('a sandbox of the level gvisor has a kernel of its own', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'shell', isolation: 'gvisor' });
  assert.equal(sandbox.info.isolation, 'gvisor');
  const { stdout } = await sandbox.exec(['uname', '-r']);
  assert.match(stdout, /^4\.4\./);
  assert.equal((await sandbox.exec(['cat', '/proc/version'])).stdout.startsWith('Linux version 4.4.'), true);
});

test('a sandbox says when and why it will stop, can be extended, and stops', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'whoami', ttl: '2s' });
  assert.equal(sandbox.info.expiresReason, 'ttl');
  const extended = await sandbox.extend('3s');
  assert.ok(Date.parse(extended.expiresAt ?? '') > Date.parse(sandbox.info.createdAt) + 2_900);
  const ended = await until('it is removed by its ttl', async () => {
    const view = await sandbox.refresh().catch((error: unknown) => error);
    if (typeof view === 'object' && view !== null && 'code' in view) return view;
    return false;
  });
  assert.equal((ended as { code: string }).code, 'sandbox_gone');
});

test('a program that ends is stopped with its exit code, one out of memory says so', async () => {
  await using ended = await arc.client.sandboxes.create({ template: 'shell', command: ['sh', '-c', 'exit 5'] });
  const view = await until('it is stopped', async () => {
    const now = await ended.refresh();
    return now.state === 'stopped' ? now : undefined;
  });
  assert.equal(view.exit?.code, 5);
  await using hog = await arc.client.sandboxes.create({
    template: 'python',
    memory: '48MiB',
    command: ['python3', '-c', 'x = bytearray(200_000_000)'],
  });
  const killed = await until('it is stopped', async () => {
    const now = await hog.refresh();
    return now.state === 'stopped' ? now : undefined;
  });
  assert.equal(killed.reason, 'oom');
  assert.equal(killed.exit?.oom, true);
});

test('a server whose port is taken says so and leaves no helper behind', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'arc-taken-'));
  try {
    const addresses = ['--api', new URL(arc.api).host, '--edge', '127.0.0.1:0', '--network-range', '10.206.0.0/16'];
    const refused = await runCommand(['up', '--data-dir', dataDir, ...addresses], {});
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /port_in_use/);
    assert.deepEqual(kernelTruth(dataDir).helpers, []);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});

async function firstLog(id: string) {
  return await until('the first log entry', async () => {
    for await (const entry of arc.client.sandboxes.handle(id).logs()) return entry;
    return undefined;
  });
}
