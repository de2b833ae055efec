import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ArcError } from '../../../contract/errors.ts';
import { ManualClock } from '../../../testing/fakes/manual-clock.ts';
import type { Caller } from '../../service.ts';
import { networkOf, Rates } from './rates.ts';

const ada: Caller = { owner: 'ada', keyId: 'key-a', scopes: ['sandboxes:read'] };
const limited = (error: unknown) => error instanceof ArcError && error.code === 'rate_limited';

it('each owner has its own measure, which fills again with time', async () => {
  const clock = new ManualClock();
  const rates = new Rates(clock, { perOwner: 2, perAddress: 1 });
  for (let asked = 0; asked < 20; asked++) rates.known(ada);
  assert.throws(() => rates.known(ada), limited);
  rates.known({ ...ada, owner: 'bob' });
  for (let asked = 0; asked < 100; asked++) rates.known({ ...ada, scopes: ['admin'] });
  await clock.advance(500);
  rates.known(ada);
  assert.throws(() => rates.known(ada), limited);
});

it('an IPv4 address counts by itself, however it is written, and an IPv6 address with its /64', () => {
  assert.equal(networkOf('::ffff:192.0.2.7'), networkOf('192.0.2.7'));
  assert.notEqual(networkOf('192.0.2.7'), networkOf('192.0.2.8'));
  assert.equal(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:2:ffff:1:2:3'));
  assert.notEqual(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:3::1'));
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0');
  assert.equal(networkOf('::1'), '0:0:0:0');
});

it('0 is no limit, and what is remembered has an end', () => {
  const rates = new Rates(new ManualClock(), { perOwner: 0, perAddress: 1 });
  for (let asked = 0; asked < 1_000; asked++) rates.known(ada);
  for (let asked = 0; asked < 10; asked++) rates.unknown('192.0.2.1');
  assert.throws(() => rates.unknown('192.0.2.1'), limited);
  for (let other = 0; other < 20_001; other++) rates.unknown(`10.${other >> 16}.${(other >> 8) & 255}.${other & 255}`);
  rates.unknown('192.0.2.1');
});
