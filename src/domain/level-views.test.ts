import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEVELS } from '../contract/states.ts';
import { levelViews } from './level-views.ts';

const cost = { memoryBytes: 300_000, startMs: 40 };

test('every level is told of, weakest first, also those that no machine knows', () => {
  assert.deepEqual(
    levelViews([]).map(({ level, available }) => [level, available]),
    LEVELS.map((level) => [level, false]),
  );
});

test('one that is to be had says where, what it costs and what it lacks, and not how to get it', () => {
  const jail = {
    level: 'jail',
    available: true,
    runtime: 'bwrap',
    note: 'fine',
    cost,
    lacks: ['checkpoint: no'],
  } as const;
  const absent = { level: 'jail', available: false, note: 'not installed' } as const;
  const [, view] = levelViews([
    { name: 'a', levels: [absent] },
    { name: 'b', levels: [jail] },
  ]);
  assert.deepEqual([view?.available, view?.nodes, view?.runtime, view?.note], [true, ['b'], 'bwrap', 'fine']);
  assert.deepEqual([view?.cost, view?.lacks, view?.how], [cost, ['checkpoint: no'], undefined]);
});

test('one that is not to be had says why and what would bring it', () => {
  const levels = [{ level: 'gvisor', available: false, note: 'runsc is not installed' }] as const;
  const view = levelViews([{ name: 'a', levels }]).find(({ level }) => level === 'gvisor');
  assert.match(view?.note ?? '', /not installed/);
  assert.match(view?.how ?? '', /apt-get install runsc/);
  const told = [{ level: 'gvisor', available: false, note: 'needs root', how: 'be root' }] as const;
  const here = levelViews([{ name: 'a', levels: told }]).find(({ level }) => level === 'gvisor');
  assert.equal(here?.how, 'be root');
});
