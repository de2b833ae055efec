import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArcError } from '../../contract/errors.ts';
import { contains, formatCidr, overlap, parseAddress, parseCidr, sizeOf } from '../../domain/network/cidr.ts';
import { hostBaseOf, REGIONS } from '../uids/range.ts';
import { checkRange, parseRoutes } from './host.ts';
import { networkPlan } from './plan.ts';
import { resolversFor } from './resolvers.ts';

/** Of regions that were taken one after the other. */
const base = (slot: number) => hostBaseOf(slot, [...Array(REGIONS).keys()]) ?? 0;
const plan = networkPlan('10.199.0.0/16', '/var/lib/one', 1500, base);

test('no two slots share an address or an interface', () => {
  const slot = fc.integer({ min: 1, max: plan.slots });
  fc.assert(
    fc.property(slot, slot, (one, other) => {
      if (one === other) return;
      assert.notEqual(plan.address(one), plan.address(other));
      assert.notEqual(plan.hostInterface(one, 'none'), plan.hostInterface(other, 'none'));
    }),
  );
});

test('every address is in the range, none is the gateway, and names fit the kernel', () => {
  for (const slot of [1, 2, 255, 256, 4711, plan.slots]) {
    assert.ok(contains(plan.range, parseAddress(plan.address(slot)) ?? 0));
    assert.notEqual(plan.address(slot), plan.gateway);
    assert.ok(plan.hostInterface(slot, 'public').length <= 15);
  }
});

test('a small range has as many slots as it has room for', () => {
  const small = networkPlan('192.168.7.0/28', 'x', 1500, base);
  assert.equal(small.slots, 13);
  assert.equal(small.address(small.slots), '192.168.7.13');
  assert.equal(small.gateway, '192.168.7.14');
});

test('two data folders have different tables and interfaces', () => {
  const other = networkPlan('10.199.0.0/16', '/var/lib/two', 1500, base);
  assert.notEqual(other.table, plan.table);
  assert.notEqual(other.prefix('none'), plan.prefix('none'));
});

test('what is not a network is refused', () => {
  for (const text of [
    '10.199.0.1/16',
    '10.199.0.0',
    '10.0.0.0/33',
    '010.0.0.0/8',
    '10.0.0.0/29',
    '0.0.0.0/0',
    '::/64',
    '',
  ]) {
    assert.throws(
      () => networkPlan(text, 'x', 1500, base),
      (error) => error instanceof ArcError && error.code === 'invalid_config',
      text,
    );
  }
});

test('networks are read and written alike', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 8, max: 30 }), (address, bits) => {
      const cidr = { base: address - (address % sizeOf({ base: 0, bits })), bits };
      assert.deepEqual(parseCidr(formatCidr(cidr)), cidr);
      assert.ok(overlap(cidr, { base: address, bits: 32 }));
    }),
  );
});

test('a route or address of the host inside of the range is named, our own are not', () => {
  const used = (text: string, device: string) => [{ cidr: parseCidr(text) ?? { base: 0, bits: 0 }, device }];
  assert.throws(
    () => checkRange(plan, used('10.192.0.0/10', 'tun0')),
    /10\.199\.0\.0\/16 overlaps with 10\.192\.0\.0\/10 on tun0/,
  );
  assert.throws(
    () => checkRange(plan, used('10.199.3.4/32', 'eth7')),
    (error) => error instanceof ArcError && error.code === 'address_range_in_use',
  );
  checkRange(plan, used('10.199.3.4/32', plan.hostInterface(772, 'none')));
  checkRange(plan, used('192.168.0.0/16', 'eth0'));
});

test('routes of the kernel are read, the default route left out', () => {
  const text =
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n' +
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n' +
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n';
  assert.deepEqual(parseRoutes(text), [{ device: 'eth0', cidr: parseCidr('192.0.2.0/24') }]);
});

test('only name servers that a sandbox may reach are given to it', () => {
  assert.deepEqual(resolversFor('nameserver 10.0.0.2\nnameserver 8.8.8.8\n'), ['8.8.8.8']);
  assert.deepEqual(resolversFor('nameserver 127.0.0.53\nnameserver 169.254.169.253\n'), ['1.1.1.1', '9.9.9.9']);
});
