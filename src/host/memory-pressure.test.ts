import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryPressure } from './memory-pressure.ts';

const MEMINFO = 'MemTotal:       24676968 kB\nMemFree:          100 kB\nMemAvailable:   1234 kB\n';
const STALLS = 'some avg10=12.34 avg60=0.00 avg300=0.00 total=331833\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1\n';

test('memory pressure is what the kernel says, and leaves out what it does not say', () => {
  const bytes = { totalBytes: 24676968 * 1024, availableBytes: 1234 * 1024 };
  assert.deepEqual(memoryPressure(MEMINFO, STALLS), { ...bytes, stalledPercent: 12.34 });
  assert.deepEqual(memoryPressure(MEMINFO, ''), bytes);
});
