import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { parseCidr } from '../../domain/network/cidr.ts';
import { silentLogger } from '../../kit/logger.ts';
import { type Run, runProgram } from '../../kit/run.ts';
import { Barrier } from '../network/barrier.ts';
import type { Claim } from '../network/claim-range.ts';
import { orphanBarriers } from './orphan-barriers.ts';
import { findOrphans, type Known, reap } from './orphans.ts';

/** The kernel's own policies, in a network namespace of its own. */

const NAME = `arc-orphans-${process.pid}`;
const inside: Run = (argv, options) => runProgram(['/usr/bin/nsenter', `--net=/run/netns/${NAME}`, ...argv], options);
const ipPath = '/usr/sbin/ip';
const probe = { find: (name: string) => `/usr/sbin/${name}` };
const rangeOf = (text: string) => parseCidr(text) ?? assert.fail(text);
const nobody: Known = {
  ...{ sandboxes: new Set(), slots: new Set(), past: new Set(), helperPid: undefined, serverRuns: false },
};

test('the barrier of a data folder that is gone is found and removed, and those of others stay', async (t) => {
  assert.equal(spawnSync(ipPath, ['netns', 'add', NAME]).status, 0);
  t.after(() => spawnSync(ipPath, ['netns', 'del', NAME]));
  const dataDir = mkdtempSync('/tmp/arc-doctor-');
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  for (const range of ['10.31.0.0/16', '10.32.0.0/16', '10.33.0.0/16', '10.34.0.0/16']) {
    const barrier = new Barrier({ plan: { range: rangeOf(range) }, ip: ipPath, run: inside, log: silentLogger });
    assert.equal(await barrier.raise(), true);
  }
  const strange = `xfrm policy add src 10.35.0.0/16 dst 0.0.0.0/0 dir in action block`.split(' ');
  assert.equal((await inside([ipPath, ...strange], { env: {}, timeoutMs: 10_000 })).code, 0);
  const table = 'table inet arc_othr { chain a { ip saddr != 10.34.0.0/16 drop; }; }';
  assert.equal((await inside(['/usr/sbin/nft', table], { env: {}, timeoutMs: 10_000 })).code, 0);
  const claims: readonly Claim[] = [
    { dataDir: '/srv/another', range: rangeOf('10.32.0.0/16') },
    { dataDir, range: rangeOf('10.33.0.0/16') },
  ];
  const source = { list: () => orphanBarriers({ probe, run: inside, dataDir, claims: () => claims }) };
  const found = async (known: Known) => (await findOrphans(source, async () => known)) ?? [];
  const names = async (known: Known) => (await found(known)).map(({ name }) => name);
  const running = { ...nobody, serverRuns: true };
  assert.deepEqual(await names(running), ['IPsec policies on 10.31.0.0/16']);
  assert.deepEqual((await names(nobody)).sort(), ['IPsec policies on 10.31.0.0/16', 'IPsec policies on 10.33.0.0/16']);
  assert.deepEqual(
    (await reap(await found(running))).map(({ kind, outcome }) => `${kind} ${outcome}`),
    ['barrier removed'],
  );
  assert.deepEqual(await names(running), []);
  const left = (await inside([ipPath, 'xfrm', 'policy'], { env: {}, timeoutMs: 10_000 })).stdout;
  for (const range of ['10.32.0.0', '10.33.0.0', '10.34.0.0', '10.35.0.0']) assert.ok(left.includes(range), range);
});

test('a removal that the kernel does not carry out is told', async () => {
  const policy = 'src 10.31.0.0/16 dst 0.0.0.0/0 \n\tdir in action block priority 0 \n\tmark 0/0x20000000 \n';
  const run: Run = async (argv) => ({
    ...{ code: 0, signal: null, stderr: '', stdout: argv.at(-1) === 'policy' ? policy : '' },
  });
  const things = await orphanBarriers({ probe, run, dataDir: '/tmp', claims: () => [] });
  const report = await reap((await findOrphans({ list: async () => things }, async () => nobody)) ?? []);
  assert.deepEqual(
    report.map(({ outcome, error }) => [outcome, error]),
    [['failed', '/usr/sbin/ip xfrm policy still has them']],
  );
});
