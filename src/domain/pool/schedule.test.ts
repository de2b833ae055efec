import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolWindow } from '../../contract/spec.ts';
import { floorAt, readWindow } from './schedule.ts';

const at = (text: string) => Date.parse(text);
function window(one: Parameters<typeof readWindow>[0]): PoolWindow {
  const read = readWindow(one);
  assert.ok(typeof read !== 'string', String(read));
  return read;
}

test('a contest has its pool full from its beginning to its end, and not a moment longer', () => {
  const contest = [window({ min: 300, from: '2026-12-01T08:50:00Z', until: '2026-12-01T20:00:00+01:00' })];
  assert.equal(floorAt(5, contest, at('2026-12-01T08:49:59Z')), 5);
  assert.equal(floorAt(5, contest, at('2026-12-01T08:50:00Z')), 300);
  assert.equal(floorAt(5, contest, at('2026-12-01T18:59:59Z')), 300);
  assert.equal(floorAt(5, contest, at('2026-12-01T19:00:00Z')), 5);
});

test('a course has it full at the hours of its days, every week, in UTC', () => {
  const course = [window({ min: 30, days: ['mon', 'wed'], from: '08:50', until: '10:30' })];
  // 30 November 2026 is a Monday.
  assert.equal(floorAt(0, course, at('2026-11-30T08:50:00Z')), 30);
  assert.equal(floorAt(0, course, at('2026-11-30T10:29:59Z')), 30);
  assert.equal(floorAt(0, course, at('2026-11-30T10:30:00Z')), 0);
  assert.equal(floorAt(0, course, at('2026-12-01T09:00:00Z')), 0);
  assert.equal(floorAt(0, course, at('2026-12-02T09:00:00Z')), 30);
});

test('of windows that are open at once the fullest counts, and none makes it less than the floor', () => {
  const windows = [
    window({ min: 10, from: '2026-12-01T00:00:00Z', until: '2026-12-02T00:00:00Z' }),
    window({ min: 40, from: '2026-12-01T00:00:00Z', until: '2026-12-02T00:00:00Z' }),
  ];
  assert.equal(floorAt(0, windows, at('2026-12-01T12:00:00Z')), 40);
  assert.equal(floorAt(50, windows, at('2026-12-01T12:00:00Z')), 50);
  assert.equal(floorAt(3, [], at('2026-12-01T12:00:00Z')), 3);
});

test('what can not be meant is said', () => {
  const fault = (one: Parameters<typeof readWindow>[0]) => {
    const read = readWindow(one);
    assert.equal(typeof read, 'string');
    return read as string;
  };
  assert.match(fault({ min: 1, from: '08:00', until: '09:00' }), /are dates/);
  assert.match(fault({ min: 1, from: '2026-13-01T00:00:00Z', until: '2026-12-01T00:00:00Z' }), /are dates/);
  assert.match(fault({ min: 1, from: '2026-12-01T00:00:00', until: '2026-12-02T00:00:00' }), /are dates/);
  assert.match(fault({ min: 1, from: '2026-12-02T00:00:00Z', until: '2026-12-01T00:00:00Z' }), /not after/);
  assert.match(fault({ min: 1, days: ['mon'], from: '24:00', until: '25:00' }), /times of the day/);
  assert.match(fault({ min: 1, days: ['mon'], from: '22:00', until: '02:00' }), /over midnight is two/);
});
