import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NetworkPolicy } from '../../contract/spec.ts';
import { allowsName, parseAllowed, parsePorts, within } from './allow-list.ts';
import { type AnswerRecord, judge } from './answer.ts';
import { parseAddress, parseCidr } from './cidr.ts';
import { isRefused, liesInRefused, REFUSED_V4 } from './refused.ts';

const cidr = (text: string) => parseCidr(text) ?? assert.fail(text);
const OWN = cidr('10.199.0.0/16');
const BOUNDS = { ttlMin: 5, ttlMax: 300, addressesMax: 3 };
const a = (name: string, data: string, ttl = 60): AnswerRecord => ({ type: 'A', name, data, ttl });
const alias = (name: string, data: string): AnswerRecord => ({ type: 'CNAME', name, data, ttl: 60 });

test('an entry is a network, an address, a name or a name with a star before it', () => {
  assert.deepEqual(parseAllowed('8.8.8.8'), { kind: 'network', cidr: cidr('8.8.8.8/32') });
  assert.deepEqual(parseAllowed('*.Example.org.'), { kind: 'name', name: 'example.org', wild: true });
  for (const text of ['', '*', '*.org.*', 'a', '1.2.3.4.5', '1.2.3.0/8', '300.1.1.1', 'a..b', '-a.b', 'a.b/8', '::1']) {
    assert.equal(parseAllowed(text), undefined, text);
  }
});

test('ports are one or a range, from 1', () => {
  assert.deepEqual(parsePorts('8000-8999'), { first: 8000, last: 8999 });
  for (const text of ['0', '70000', '9-8', '1-70000', 'x', '1-']) assert.equal(parsePorts(text), undefined, text);
});

test('a star stands for all names beneath and not for the name itself, whatever the case and the last dot', () => {
  const policy: NetworkPolicy = { allow: ['*.example.org', 'one.net'] };
  for (const name of ['a.example.org', 'A.b.EXAMPLE.org.', 'one.net']) assert.ok(allowsName(policy, name), name);
  for (const name of ['example.org', 'badexample.org', 'a.one.net', 'org']) assert.ok(!allowsName(policy, name), name);
  assert.ok(!allowsName('none', 'one.net'));
});

test('nobody gets more than is given: none within all, lists within public, entries and ports within others', () => {
  const list = (allow: string[], ports?: string[]): NetworkPolicy => ({ allow, ...(ports ? { ports } : {}) });
  const yes: [NetworkPolicy, NetworkPolicy][] = [
    ['none', 'none'],
    ['public', list(['8.8.8.8', 'a.b'])],
    [list(['8.0.0.0/8', '*.b.c'], ['80-90']), list(['8.8.8.0/24', 'a.b.c', '*.x.b.c'], ['85', '80-81'])],
    [list(['a.b']), list(['a.b'], ['443'])],
  ];
  const no: [NetworkPolicy, NetworkPolicy][] = [
    ['none', list(['a.b'])],
    [list(['a.b']), 'public'],
    ['public', list(['10.0.0.0/8'])],
    [list(['a.b']), list(['*.a.b'])],
    [list(['8.8.8.0/24']), list(['8.8.0.0/16'])],
    [list(['a.b'], ['443']), list(['a.b'])],
    [list(['a.b'], ['443']), list(['a.b'], ['440-450'])],
  ];
  for (const [most, wanted] of yes) assert.ok(within(most, wanted), JSON.stringify([most, wanted]));
  for (const [most, wanted] of no) assert.ok(!within(most, wanted), JSON.stringify([most, wanted]));
});

test('a refused range can be opened, and what is refused always can not', () => {
  assert.ok(liesInRefused(cidr('10.1.0.0/16')));
  assert.ok(!liesInRefused(cidr('10.1.0.0/16'), [cidr('10.0.0.0/8')]));
  assert.ok(liesInRefused(cidr('100.100.100.200/32'), [cidr('100.64.0.0/10')]));
  assert.ok(!liesInRefused(cidr('8.0.0.0/8')));
  assert.ok(isRefused(parseAddress('169.254.169.254') ?? 0, [cidr('169.254.0.0/16')]));
});

test('of an answer only what hangs together with the question passes, and no address that is refused', () => {
  const answers = [
    alias('www.a.b', 'cdn.net'),
    a('CDN.net.', '8.8.8.8'),
    a('evil.net', '9.9.9.9'),
    a('cdn.net', '10.0.0.1'),
  ];
  const judged = judge('WWW.a.b', answers, BOUNDS, [], OWN);
  assert.deepEqual(judged.addresses, ['8.8.8.8']);
  assert.deepEqual(judged.refused, ['10.0.0.1']);
  assert.equal(judged.records.length, 2);
});

test('no answer whatever lets an address through that is refused or of a sandbox', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const address = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'));
  const inRefused = fc.constantFrom(...REFUSED_V4).map((text) => text.split('/')[0] ?? '');
  const record = fc.oneof(
    fc.tuple(fc.constantFrom('a.b', 'c.d'), fc.oneof(address, inRefused), fc.nat()).map(([n, d, ttl]) => a(n, d, ttl)),
    fc.tuple(fc.constantFrom('a.b', 'c.d'), fc.constantFrom('a.b', 'c.d')).map(([n, d]) => alias(n, d)),
  );
  fc.assert(
    fc.property(fc.array(record, { maxLength: 8 }), (answers) => {
      const judged = judge('a.b', answers, BOUNDS, [cidr('10.0.0.0/8')], OWN);
      assert.ok(judged.addresses.length <= BOUNDS.addressesMax);
      for (const one of judged.records) assert.ok(one.ttl >= BOUNDS.ttlMin && one.ttl <= BOUNDS.ttlMax);
      for (const one of judged.addresses) {
        assert.ok(!isRefused(parseAddress(one) ?? 0, [cidr('10.0.0.0/8')]), one);
        assert.ok(!one.startsWith('10.199.'), one);
      }
    }),
  );
});
