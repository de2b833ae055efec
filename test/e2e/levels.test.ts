import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { LevelView } from '../../src/contract/schemas/levels.ts';
import { LEVELS, type Level } from '../../src/contract/states.ts';
import { hostOf, viaEdge } from './lib/fetch.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';

/** The same command and the same attack at every level that this machine gives. */
let arc: LaunchedArc;
let levels: readonly LevelView[];
let all: { readonly python: string; readonly notes: string };
/** A file of the machine that every user may read: what a way out would find. */
const canary = `/var/tmp/arc-canary-${process.pid}`;
const secret = randomBytes(16).toString('hex');

before(async () => {
  arc = await launchArc({ octet: 223 });
  levels = await arc.client.levels();
  await writeFile(canary, secret, { mode: 0o644 });
  all = { python: await least('python'), notes: await least('vulnerable-notes') };
});
after(async () => {
  await rm(canary, { force: true });
  await arc[Symbol.asyncDispose]();
});

/** The builtin template again, which leaves the level to each create. */
async function least(name: string): Promise<string> {
  const { template } = await arc.client.templates.get(name);
  const { name: made } = await arc.client.templates.add({ ...template, name: `${name}-any`, isolation: 'jail' });
  return made;
}

const here = (level: Level) => levels.some((one) => one.level === level && one.available);

test('levels says of each what it protects from, and of each that is missing why and how to get it', async () => {
  assert.deepEqual(
    levels.map(({ level }) => level),
    [...LEVELS],
  );
  for (const one of levels) {
    assert.ok(one.protects.length > 20 && one.exposes.length > 20, one.level);
    if (one.available) assert.ok((one.cost?.memoryBytes ?? 0) > 0 && (one.cost?.startMs ?? 0) > 0, one.level);
    else assert.ok(one.note !== '' && (one.how ?? '') !== '', one.level);
  }
  const shown = await arc.cli('levels');
  assert.equal(shown.code, 0, shown.stderr);
  for (const level of LEVELS) assert.match(shown.stdout, new RegExp(`^${level} +(yes|no)`, 'm'));
  for (const level of ['jail', 'container', 'gvisor'] as const) assert.ok(here(level), level);
});

for (const level of LEVELS.filter((one) => one !== 'wasm')) {
  test(`${level}: a hello world in Python by the same command, and the vulnerable app exploited with nothing reached outside`, async (t) => {
    if (!here(level)) return t.skip(levels.find((one) => one.level === level)?.note ?? 'not here');
    const hello = await arc.cli('run', all.python, '--isolation', level, '--', 'python3', '-c', 'print("hello", 6*7)');
    assert.deepEqual([hello.code, hello.stdout], [0, 'hello 42\n'], hello.stderr);

    await using app = await arc.client.sandboxes.create({ template: all.notes, isolation: level });
    assert.equal(app.info.isolation, level);
    assert.match(app.info.protection, /kernel/);
    const inject = async (command: string) => {
      const query = new URLSearchParams({ q: `" /dev/null; ${command} #` });
      return (await viaEdge(arc.edge, hostOf(app.info.url ?? ''), `/search?${query}`)).body;
    };
    assert.match(await inject('echo owned-$((40+2))'), /owned-42/);
    for (const path of [canary, '/proc/1/root', '/etc/shadow', `/proc/self/root${canary}`, `/../../..${canary}`]) {
      assert.ok(!(await inject(`cat ${path} ${path}/../../../..${canary} 2>&1`)).includes(secret), path);
    }
    for (const [address, port] of [
      ['169.254.169.254', 80],
      [new URL(arc.api).hostname, new URL(arc.api).port],
    ]) {
      const reach = `import socket; socket.create_connection(('${address}',${port}),1); print('rea'+'ched')`;
      assert.ok(!(await inject(`python3 -c "${reach}" 2>&1`)).includes('reached'), `${address}`);
    }
    assert.ok(!/root:[*$!]/.test(await inject('cat /etc/shadow 2>&1')), "the machine's passwords");
    return undefined;
  });
}

test('auto gives the strongest that is here, and the sandbox says so', async () => {
  const strongest = levels.findLast(({ available }) => available)?.level;
  await using made = await arc.client.sandboxes.create({ template: 'shell', isolation: 'auto' });
  assert.equal(made.info.isolation, strongest);
  assert.equal((await made.exec(['echo', 'on'])).stdout, 'on\n');
});

test('a level that is not here is refused with those that are, and nothing weaker is started', async (t) => {
  const missing = levels.find(({ available, level }) => !available && level !== 'wasm');
  if (missing === undefined) return t.skip('every level is here');
  const asked = arc.client.sandboxes.create({ template: 'shell', isolation: missing.level });
  await assert.rejects(asked, (error: { code?: string; extra?: { levels?: readonly string[] } }) => {
    assert.equal(error.code, 'isolation_unavailable');
    assert.ok(error.extra?.levels?.includes('container'));
    return true;
  });
  return undefined;
});

test("the template host runs the machine's own programs and shows nothing else of it", async () => {
  const run = (...command: string[]) => arc.cli('run', 'host', '--', ...command);
  const hello = await run('python3', '-c', 'print(6*7)');
  assert.deepEqual([hello.code, hello.stdout], [0, '42\n'], hello.stderr);
  const secrets = `cat /etc/shadow /etc/machine-id ${canary} ${arc.dataDir}/admin.key; ls -A /home/user /root /var/lib /run`;
  const seen = await run('sh', '-c', `${secrets} 2>/dev/null; touch /usr/x /bin/x 2>/dev/null && echo written; true`);
  assert.equal(seen.stdout.replace(/^\/(home\/user|root|var\/lib|run):$/gm, '').trim(), '');
  const container = await arc.cli('create', 'host', '--isolation', 'container', '--json');
  assert.notEqual(container.code, 0);
  assert.match(container.stderr + container.stdout, /isolation_unavailable/);
});
