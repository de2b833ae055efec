import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import { realClock } from '../../kit/real.ts';
import { type Run, type RunResult, runProgram } from '../../kit/run.ts';
import { finder, NEEDS, realPolicyFile, rememberedIn, type SetupDeps, setUp } from './index.ts';

const DONE: RunResult = { code: 0, signal: null, stdout: '', stderr: '' };
const ALL = NEEDS.flatMap((need) => need.seenAs.map((name) => (name.startsWith('/') ? name : `/usr/bin/${name}`)));
const APT = ['/usr/bin/apt-get', '/usr/bin/apt-cache'];

/** A machine that can be told what it has. `apt-get install` puts there what the packages of the table bring. */
class Machine {
  readonly files: Set<string>;
  readonly calls: string[][] = [];
  readonly said: string[] = [];
  readonly policyFiles = new Map<string, string>();
  tried: readonly string[] = [];
  helperBuilt = true;
  builds = 0;
  now = 0;
  /** Packages that the lists do not know. */
  unknown: readonly string[] = [];
  aptSays: (argv: readonly string[]) => RunResult | undefined = () => undefined;

  constructor(files: readonly string[]) {
    this.files = new Set(files);
  }

  readonly run: Run = async (argv, options) => {
    this.calls.push([...argv]);
    assert.equal(options.env.DEBIAN_FRONTEND, 'noninteractive');
    const told = this.aptSays(argv);
    if (told !== undefined) return told;
    if (argv[0]?.endsWith('apt-cache')) {
      const line = (name: string) => `${name}:\n  Candidate: ${this.unknown.includes(name) ? '(none)' : '1.0'}\n`;
      return { ...DONE, stdout: argv.slice(2).map(line).join('') };
    }
    if (argv.includes('install')) {
      assert.ok(argv.includes('--no-install-recommends'));
      assert.match([...this.policyFiles.values()][0] ?? '', /exit 101/);
      for (const need of NEEDS.filter((row) => row.packages.some((name) => argv.includes(name)))) {
        const name = need.seenAs[0] ?? '';
        this.files.add(name.startsWith('/') ? name : `/usr/bin/${name}`);
      }
    }
    return DONE;
  };

  readonly clock: Clock = {
    now: () => this.now,
    monotonic: () => this.now,
    sleep: async (ms) => {
      this.now += ms;
    },
    after: () => () => {},
  };

  deps(change: Partial<SetupDeps> = {}): SetupDeps {
    return {
      isRoot: true,
      mayInstall: true,
      find: finder('/usr/bin', (path) => this.files.has(path)),
      run: this.run,
      clock: this.clock,
      path: '/usr/bin',
      policy: {
        create: (path, content) => !this.policyFiles.has(path) && this.policyFiles.set(path, content) !== undefined,
        read: (path) => this.policyFiles.get(path),
        remove: (path) => void this.policyFiles.delete(path),
      },
      say: (line) => this.said.push(line),
      helper: {
        built: () => this.helperBuilt,
        build: async () => {
          this.builds++;
          this.helperBuilt = true;
        },
      },
      remembered: {
        read: () => this.tried,
        write: (packages) => {
          this.tried = packages;
        },
      },
      ...change,
    };
  }

  named(word: string): readonly string[][] {
    return this.calls.filter((argv) => argv.includes(word));
  }
}

async function refusal(deps: SetupDeps): Promise<ArcError> {
  try {
    await setUp(deps);
  } catch (error) {
    assert.ok(error instanceof ArcError, String(error));
    return error;
  }
  assert.fail('it was not refused');
}

test('on a bare machine it updates once, installs once, says what for, and builds the helper', async () => {
  const machine = new Machine(APT);
  machine.helperBuilt = false;
  const report = await setUp(machine.deps());
  assert.equal(machine.named('update').length, 1);
  assert.equal(machine.named('install').length, 1);
  assert.deepEqual([...report.installed].sort(), [...new Set(NEEDS.flatMap((need) => need.packages))].sort());
  assert.equal(machine.builds, 1);
  assert.deepEqual(report.without, []);
  assert.ok(machine.said.some((line) => /installing crun: starts sandboxes/.test(line)));
  assert.equal(machine.policyFiles.size, 0, 'the policy file is taken away again');
});

test('with everything there no program is started and nothing is said', async () => {
  const machine = new Machine(ALL);
  assert.deepEqual(await setUp(machine.deps()), { installed: [], built: false, without: [] });
  assert.deepEqual(machine.calls, []);
  assert.deepEqual(machine.said, []);
});

test('without apt-get the refusal names what to install and what works without', async () => {
  const error = await refusal(new Machine([]).deps());
  assert.equal(error.code, 'host_unfit');
  assert.match(error.message, /crun.*no apt-get.*ARC_URL/s);
  assert.match(error.hint, /crun nftables e2fsprogs/);
});

test('who is not root is told what root has to run', async () => {
  const error = await refusal(new Machine(APT).deps({ isRoot: false }));
  assert.equal(error.code, 'not_root');
  assert.match(error.hint, /apt-get install --no-install-recommends crun/);
});

test('who is not root goes on when only optional things are missing', async () => {
  const machine = new Machine(ALL.filter((file) => !file.endsWith('/runsc')));
  const report = await setUp(machine.deps({ isRoot: false }));
  assert.deepEqual(
    report.without.map(({ name }) => name),
    ['runsc'],
  );
  assert.deepEqual(machine.calls, []);
});

test('with installing turned off nothing is installed', async () => {
  const machine = new Machine(APT);
  assert.match((await refusal(machine.deps({ mayInstall: false }))).message, /turned off/);
  assert.deepEqual(machine.calls, []);
});

test('when apt fails the refusal holds what apt said', async () => {
  const machine = new Machine(APT);
  machine.aptSays = (argv) =>
    argv.includes('install') ? { ...DONE, code: 100, stderr: 'noise\nE: Unable to fetch some archives\n' } : undefined;
  const error = await refusal(machine.deps());
  assert.equal(error.code, 'host_unfit');
  assert.match(error.message, /did not bring crun.*E: Unable to fetch/s);
  assert.equal(machine.policyFiles.size, 0);
});

test('an update that fails is said and does not stop an install that works', async () => {
  const machine = new Machine(APT);
  machine.aptSays = (argv) => (argv.includes('update') ? { ...DONE, code: 100, stderr: 'E: no network' } : undefined);
  await setUp(machine.deps());
  assert.ok(machine.said.some((line) => line.includes('E: no network')));
});

test('no compiler is refused by name, and none is asked for when the helper is built', async () => {
  const withoutCompiler = ALL.filter((file) => !/\/(cc|gcc|clang)$/.test(file));
  const machine = new Machine(withoutCompiler);
  machine.helperBuilt = false;
  const error = await refusal(machine.deps());
  assert.match(error.message, /C compiler, which builds the node helper/);
  assert.match(error.hint, /gcc/);
  machine.helperBuilt = true;
  assert.deepEqual((await setUp(machine.deps())).without, []);
});

test('an optional package that the lists do not know is left out, remembered, and not tried at the next start', async () => {
  const machine = new Machine([...APT, ...ALL.filter((file) => !file.endsWith('/runsc'))]);
  machine.unknown = ['runsc'];
  const report = await setUp(machine.deps());
  assert.deepEqual(
    report.without.map(({ name }) => name),
    ['runsc'],
  );
  assert.equal(machine.named('install').length, 0);
  machine.calls.length = 0;
  await setUp(machine.deps());
  assert.deepEqual(machine.calls, []);
  assert.match(machine.said.at(-1) ?? '', /without runsc: the level gvisor is refused/);
});

test('an optional package that fails to install does not keep the required ones away', async () => {
  const machine = new Machine(APT);
  machine.aptSays = (argv) =>
    argv.includes('install') && argv.includes('runsc')
      ? { ...DONE, code: 100, stderr: 'E: runsc is broken' }
      : undefined;
  const report = await setUp(machine.deps());
  assert.ok(report.without.some(({ name }) => name === 'runsc'));
  assert.equal(machine.named('install').length, 2);
  assert.equal(machine.named('update').length, 1);
});

test('runc stands in for crun where crun can not be had', async () => {
  const machine = new Machine([...APT, '/usr/sbin/runc', ...ALL.filter((file) => !file.endsWith('/crun'))]);
  machine.unknown = ['crun'];
  const report = await setUp(machine.deps());
  assert.match(report.without[0]?.cost ?? '', /runc is used in its place/);
});

test('it waits for the lock of the package database, but not for ever', async () => {
  const locked: RunResult = { ...DONE, code: 100, stderr: 'E: Could not get lock /var/lib/apt/lists/lock.' };
  const machine = new Machine(APT);
  let left = 3;
  machine.aptSays = (argv) => (argv.includes('update') && left-- > 0 ? locked : undefined);
  await setUp(machine.deps());
  assert.equal(machine.named('update').length, 4);
  assert.equal(machine.said.filter((line) => line.includes('waiting')).length, 1);

  const stuck = new Machine(APT);
  stuck.aptSays = (argv) => (argv[0]?.endsWith('apt-get') ? locked : undefined);
  await refusal(stuck.deps());
  assert.ok(stuck.now < 600_000, `${stuck.now} ms`);
});

test("the machine's own policy on services is let be, and one that a killed start left is taken away", async () => {
  const own = new Machine(APT);
  own.policyFiles.set('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n');
  await setUp(own.deps());
  assert.equal(own.policyFiles.size, 1);
  const left = new Machine(APT);
  left.policyFiles.set(
    '/usr/sbin/policy-rc.d',
    '#!/bin/sh\n# put here by arc up while it installs packages; may be removed\nexit 101\n',
  );
  await setUp(left.deps());
  assert.equal(left.policyFiles.size, 0);
});

test('a build that fails is told as it is', async () => {
  const machine = new Machine(ALL);
  machine.helperBuilt = false;
  const build = () => Promise.reject(new ArcError('host_unfit', 'cc: error'));
  assert.equal((await refusal(machine.deps({ helper: { built: () => false, build } }))).message, 'cc: error');
});

test('what was tried is kept in the data folder, and a broken note counts as none', (t) => {
  const folder = mkdtempSync('/tmp/arc-setup-');
  t.after(() => rmSync(folder, { recursive: true }));
  const remembered = rememberedIn(join(folder, 'data'));
  assert.deepEqual(remembered.read(), []);
  remembered.write(['runsc']);
  assert.deepEqual(remembered.read(), ['runsc']);
  writeFileSync(join(folder, 'data', 'setup.json'), '{"tried": 7');
  assert.deepEqual(remembered.read(), []);
});

test('the real policy file is executable, is never overwritten, and may be gone already', (t) => {
  const folder = mkdtempSync('/tmp/arc-setup-');
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'policy-rc.d');
  assert.equal(realPolicyFile.create(path, 'a'), true);
  assert.equal(statSync(path).mode & 0o777, 0o755 & ~process.umask());
  assert.equal(realPolicyFile.create(path, 'b'), false);
  assert.equal(realPolicyFile.read(path), 'a');
  realPolicyFile.remove(path);
  realPolicyFile.remove(path);
  assert.equal(realPolicyFile.read(path), undefined);
});

test('every package of the table is one that the real apt knows', async (t) => {
  const find = finder('');
  const aptCache = find.find('apt-cache');
  const lists =
    aptCache === undefined ? [] : readdirSync('/var/lib/apt/lists').filter((name) => name.includes('_Packages'));
  if (aptCache === undefined || lists.length === 0) return t.diagnostic('this machine has no package lists to ask');
  const optional = new Set(NEEDS.filter((need) => !need.required).flatMap((need) => need.packages));
  const required = NEEDS.flatMap((need) => need.packages).filter((name) => !optional.has(name));
  const { Apt } = await import('./apt.ts');
  const deps = { aptGet: '', aptCache, run: runProgram, clock: realClock, policy: realPolicyFile, say: () => {} };
  const known = await new Apt({ ...deps, path: '/usr/bin:/bin' }).known(required);
  assert.deepEqual(
    required.filter((name) => !known.has(name)),
    [],
  );
});
