import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { realClock } from '../../kit/real.ts';
import { type Run, runProgram } from '../../kit/run.ts';
import { factsOf, goodMachine, probeOf } from './fake-machine.ts';
import { formatDoctor, type Known, realOrphans, realProbe, runDoctor } from './index.ts';
import { findOrphans, type OrphanKind, reap, type Thing } from './orphans.ts';

const ALIVE = 'sb-aaaaaaaaaaaaaaaa';
const GONE = 'sb-bbbbbbbbbbbbbbbb';

const known = (change: Partial<Known> = {}): Known => ({
  sandboxes: new Set([ALIVE]),
  slots: new Set([1]),
  past: new Set(),
  helperPid: 10,
  serverRuns: true,
  ...change,
});

const removed: string[] = [];
const thing = (kind: OrphanKind, change: Partial<Thing> = {}): Thing => ({
  kind,
  name: `${kind} ${change.sandbox ?? change.slot ?? ''}`,
  proof: 'its tag',
  remove: async () => void removed.push(kind),
  ...change,
});

const orphansAmong = async (things: readonly Thing[], who: Known | undefined) =>
  (await findOrphans({ list: async () => things }, async () => who))?.map(({ name }) => name);

test('what belongs to a known sandbox, by id or by slot, is no orphan', async () => {
  const things = [
    thing('folder', { sandbox: ALIVE }),
    thing('interface', { slot: 1 }),
    thing('helper', { pid: 10 }),
    thing('nft'),
  ];
  assert.deepEqual(await orphansAmong(things, known()), []);
});

test('what belongs to none is an orphan', async () => {
  const things = [
    thing('folder', { sandbox: GONE }),
    thing('interface', { slot: 2 }),
    thing('helper', { pid: 11, name: 'h' }),
  ];
  assert.deepEqual(await orphansAmong(things, known()), [`folder ${GONE}`, 'interface 2', 'h']);
});

test('what is not provably of this data folder is never an orphan', async () => {
  const unproved: Thing = { ...thing('cgroup', { sandbox: GONE }), proof: undefined };
  assert.deepEqual(await orphansAmong([unproved], known()), []);
  assert.deepEqual(await orphansAmong([unproved], known({ past: new Set([GONE]) })), [`cgroup ${GONE}`]);
});

test('the firewall table is an orphan only when there is neither server nor sandbox', async () => {
  assert.deepEqual(await orphansAmong([thing('nft')], known({ serverRuns: false })), []);
  const empty = known({ serverRuns: false, sandboxes: new Set() });
  assert.deepEqual(await orphansAmong([thing('nft')], empty), ['nft ']);
});

test('when nobody can say what is known, nothing is called an orphan', async () => {
  assert.equal(await orphansAmong([thing('folder', { sandbox: GONE })], undefined), undefined);
});

test('what is made while looking is not taken for an orphan: things are listed before the known is asked for', async () => {
  const order: string[] = [];
  const list = async () => {
    order.push('list');
    return [];
  };
  const ask = async () => {
    order.push('known');
    return known();
  };
  await findOrphans({ list }, ask);
  assert.deepEqual(order, ['list', 'known']);
});

test('reaping goes from what uses to what is used, goes on after an error and tells each', async () => {
  removed.length = 0;
  const broken = thing('mount', {
    sandbox: GONE,
    remove: async () => {
      throw new Error('EBUSY');
    },
  });
  const things = [thing('folder', { sandbox: GONE }), thing('nft'), broken, thing('cgroup', { sandbox: GONE })];
  const machine = goodMachine();
  const report = await runDoctor({
    probe: probeOf(machine),
    facts: factsOf(machine),
    orphans: {
      source: { list: async () => things },
      known: async () => known({ serverRuns: false, sandboxes: new Set() }),
      reap: true,
    },
  });
  assert.deepEqual(removed, ['cgroup', 'nft', 'folder']);
  assert.deepEqual(
    report.orphans.map(({ kind, outcome }) => `${kind} ${outcome}`),
    ['cgroup removed', 'mount failed', 'nft removed', 'folder removed'],
  );
  assert.equal(report.exitCode, 1);
  assert.match(formatDoctor(report), /mount .*could not be removed: EBUSY/);
});

test('without --reap orphans are listed and left', async () => {
  removed.length = 0;
  const machine = goodMachine();
  const source = { list: async () => [thing('folder', { sandbox: GONE })] };
  const deps = { probe: probeOf(machine), facts: factsOf(machine) };
  const report = await runDoctor({ ...deps, orphans: { source, known: async () => known(), reap: false } });
  assert.deepEqual(removed, []);
  assert.equal(report.exitCode, 0);
  assert.match(formatDoctor(report), /folder .*\(its tag\): left\nRemove them with `arc doctor --reap`/);
  const unknown = await runDoctor({ ...deps, orphans: { source, known: async () => undefined, reap: true } });
  assert.match(formatDoctor(unknown), /not looked for/);
});

/** A data folder on this machine, with the real lists of the kernel behind it. */
function realFolder(t: { after: (undo: () => void | Promise<void>) => void }, run: Run = runProgram) {
  const dataDir = mkdtempSync('/tmp/arc-doctor-');
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const probe = realProbe({ clock: realClock, path: process.env.PATH ?? '', uid: process.getuid?.() ?? -1 });
  // What other Arcs of this machine have is none of these tests': the kernel's policies have tests of their own.
  const noPolicies: Run = async (argv, options) =>
    argv.includes('xfrm') ? { code: 0, signal: null, stdout: '', stderr: '' } : await run(argv, options);
  const source = realOrphans({ probe, run: noPolicies, clock: realClock, dataDir, tag: 'tst7', claims: () => [] });
  return { dataDir, source, find: () => findOrphans(source, async () => known({ serverRuns: true })) };
}

test('the folder of no sandbox is found and removed; that of a known one and foreign names stay', async (t) => {
  const { dataDir, find } = realFolder(t);
  const path = (name: string) => join(dataDir, 'sandboxes', name);
  for (const name of [GONE, ALIVE, 'lost+found']) mkdirSync(path(name), { recursive: true });
  writeFileSync(join(path(GONE), 'record'), 'x');
  const orphans = (await find()) ?? [];
  assert.deepEqual(
    orphans.map(({ name }) => name),
    [path(GONE)],
  );
  assert.deepEqual(
    (await reap(orphans)).map(({ outcome }) => outcome),
    ['removed'],
  );
  assert.deepEqual(
    [GONE, ALIVE, 'lost+found'].map((name) => existsSync(path(name))),
    [false, true, true],
  );
  assert.deepEqual(
    (await reap(orphans)).map(({ outcome }) => outcome),
    ['removed'],
    'a second time is no error',
  );
});

test('a link in the place of a sandbox folder is not followed', async (t) => {
  const { dataDir, find } = realFolder(t);
  mkdirSync(join(dataDir, 'sandboxes'));
  mkdirSync(join(dataDir, 'precious'));
  symlinkSync(join(dataDir, 'precious'), join(dataDir, 'sandboxes', GONE));
  assert.deepEqual(
    (await reap((await find()) ?? [])).map(({ outcome }) => outcome),
    ['failed'],
  );
  assert.ok(existsSync(join(dataDir, 'precious')));
});

const root = process.getuid?.() === 0;

test('a cgroup of this data folder, with a process in it, is found, emptied and removed', async (t) => {
  if (!root) return t.diagnostic('making a cgroup needs root');
  const { readFileSync } = await import('node:fs');
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => / - cgroup2? /.test(line) && !/name=/.test(line));
  const point = mount?.split(' ')[4] ?? '';
  const { dataDir, find } = realFolder(t);
  mkdirSync(join(dataDir, 'sandboxes', GONE), { recursive: true });
  const cgroup = join(point, 'arc-tst7', GONE);
  t.after(() => {
    try {
      rmdirSync(join(point, 'arc-tst7'));
    } catch {
      // It was never made.
    }
  });
  mkdirSync(join(cgroup, 'inner'), { recursive: true });
  const { spawn } = await import('node:child_process');
  const child = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  const ended = new Promise<unknown>((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
  writeFileSync(join(cgroup, 'inner', 'cgroup.procs'), String(child.pid));
  const reports = await reap((await find()) ?? []);
  assert.deepEqual(
    reports.map(({ kind, outcome }) => `${kind} ${outcome}`),
    ['cgroup removed', 'folder removed'],
  );
  assert.equal(await ended, 'SIGKILL');
  assert.equal(existsSync(cgroup), false);
});

test('an interface, a firewall table, a mount and a loop device of ours are found and removed', async (t) => {
  if (!root) return t.diagnostic('making them needs root');
  const { dataDir, source } = realFolder(t);
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  const must = async (...argv: string[]) => {
    const result = await runProgram(argv, { env, timeoutMs: 10_000 });
    assert.equal(result.code, 0, `${argv.join(' ')}: ${result.stderr}${result.notStarted ?? ''}`);
    return result.stdout.trim();
  };
  const folder = join(dataDir, 'sandboxes', GONE);
  t.after(async () => {
    // After a failure half way, so that nothing is left on the machine; each fails where there is nothing to do.
    for (const argv of [
      ['umount', join(folder, 'point')],
      ['ip', 'link', 'delete', 'arcntst700002'],
      ['nft', 'delete', 'table', 'inet', 'arc_tst7'],
    ]) {
      await runProgram(argv, { env, timeoutMs: 10_000 });
    }
  });
  mkdirSync(join(folder, 'point'), { recursive: true });
  writeFileSync(join(folder, 'upper.img'), Buffer.alloc(1024 ** 2));
  await must('mount', '-t', 'tmpfs', 'none', join(folder, 'point'));
  await must('losetup', '--find', join(folder, 'upper.img'));
  await must('ip', 'link', 'add', 'arcntst700002', 'type', 'veth', 'peer', 'name', 'arcdoctorpeer');
  await must('nft', 'add', 'table', 'inet', 'arc_tst7');
  const nobody = known({ sandboxes: new Set(), slots: new Set(), serverRuns: false });
  const orphans = (await findOrphans(source, async () => nobody)) ?? [];
  const kinds = ['mount', 'loop', 'interface', 'nft', 'folder'];
  const reports = await reap(orphans);
  assert.deepEqual(
    reports.map(({ kind, outcome }) => `${kind} ${outcome}`),
    kinds.map((kind) => `${kind} removed`),
    JSON.stringify(reports),
  );
  assert.deepEqual(await findOrphans(source, async () => nobody), []);
});
