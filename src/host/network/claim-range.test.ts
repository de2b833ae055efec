import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import { formatCidr, parseCidr } from '../../domain/network/cidr.ts';
import { UidRegions } from '../uids/regions.ts';
import { claimRange } from './claim-range.ts';

const root = mkdtempSync('/tmp/arc-ranges-');
after(() => rmSync(root, { recursive: true }));
const registry = join(root, 'uids.db');
const running = new Set<string>();

function start(name: string, text: string, check?: () => void): string | undefined {
  const dataDir = join(root, name);
  mkdirSync(dataDir, { recursive: true });
  UidRegions.open({ dataDir, tag: name, registry, reserved: () => [], inUse: () => false });
  const range = parseCidr(text);
  assert.ok(range);
  const before = claimRange({ dataDir, range, registry, served: (path) => running.has(path), ...(check && { check }) });
  running.add(dataDir);
  return before && formatCidr(before);
}

test('who takes another range is told of the one before, so that nothing of it is kept', () => {
  assert.equal(start('moved', '10.7.0.0/16'), undefined);
  assert.equal(start('moved', '10.8.0.0/16'), '10.7.0.0/16');
});

test('a range that meets the one of another Arc that runs is refused, with whose it is; else it is taken', () => {
  start('one', '10.1.0.0/16');
  start('two', '10.2.0.0/16');
  assert.throws(
    () => start('three', '10.2.3.0/24'),
    (error) =>
      error instanceof ArcError && error.code === 'address_range_in_use' && /of the Arc in .*two$/.test(error.message),
  );
  start('one', '10.1.0.0/16');
  running.delete(join(root, 'two'));
  start('three', '10.2.3.0/24');
});

test('whose a range is comes before what of it is in the routes, and what is refused is not written down', () => {
  const used = () => {
    throw new ArcError('address_range_in_use', 'a route is there');
  };
  start('first', '10.20.0.0/16');
  assert.throws(() => start('second', '10.20.0.0/16', used), /of the Arc in .*first/);
  assert.throws(() => start('second', '10.21.0.0/16', used), /a route is there/);
  assert.equal(start('second', '10.22.0.0/16'), undefined);
});
