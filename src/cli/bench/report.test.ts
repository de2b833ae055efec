import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarize } from '../../kit/percentile.ts';
import { report } from './report.ts';
import { type BenchResult, type LevelResult, perGiB } from './result.ts';

const measured: LevelResult = {
  level: 'container',
  available: true,
  runtime: 'crun',
  checked: '3 of 3 looked at',
  figures: { create: summarize([40, 50, 60]), claim: summarize([2, 3, 4]) },
  notMeasured: { wakeFrozen: 'nothing parks here' },
  memory: { programs: 400_000, live: 700_000 },
  perGiB: 1_533,
  walls: [
    { name: 'memory', title: 'memory', limit: 100, used: 0, each: 10, room: 10 },
    { name: 'ids', title: 'host ids', limit: 100, used: 0, each: 1, room: 100 },
  ],
};
const result = (...levels: LevelResult[]): BenchResult => ({
  ...{ at: '2026-01-01T00:00:00.000Z', version: '1.2.3', rounds: 3, levels },
  nodes: [{ name: 'n1', memoryBytes: 2 ** 32, cpus: 2, sandboxes: 5, kernel: '6.1', cgroup: 'v2' }],
});

test('each level has its times, its memory, and what is used up first', () => {
  const text = report(result(measured));
  assert.match(text, /n1: 2 processors, 4GiB, Linux 6\.1, cgroups v2/);
  assert.match(text, /claim of a warm one → 200 +3\.00 +4\.00/);
  assert.match(text, /cold create → 200 +50\.0 +60\.0/);
  assert.match(text, /wake of a frozen one → 200 +- +- +not measured: nothing parks here/);
  assert.match(text, /memory, live: +684KiB each, all-in/);
  assert.match(text, /first wall: +memory: room for 10 more\n +then: +host ids: 100/);
});

test('a level that is not to be had is there with the reason', () => {
  const { runtime: _, ...rest } = measured;
  const none: LevelResult = { ...rest, level: 'kata', available: false, why: 'no /dev/kvm', figures: {}, walls: [] };
  assert.match(report(result(none)), /^kata: no \/dev\/kvm$/m);
});

test('without a look from the node it says so, and counts by what the programs hold', () => {
  const text = report(result({ ...measured, walls: [], memory: { programs: 1024 ** 2 }, perGiB: 1024 }));
  assert.match(text, /memory, live: +not measured: run this as root on the node/);
  assert.match(text, /1024 live ones, by their programs' memory alone/);
  assert.doesNotMatch(text, /first wall/);
});

test('how many fit is by the memory all-in where that was measured', () => {
  assert.equal(perGiB({ live: 2 ** 20, programs: 2 ** 19 }), 1024);
  assert.equal(perGiB({ programs: 2 ** 19 }), 2048);
  assert.equal(perGiB({}), undefined);
});
