import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { checkAccess, needsToken, signAccess } from './access-token.ts';

const key = new Uint8Array(32).fill(7);
const at = { id: 'sb-aaaa', port: 80, now: 1_000_000 };
const claim = { id: 'sb-aaaa', port: undefined, expiresAt: 2_000_999 };

it('a token is good for its sandbox, its port and its time, and for nothing else', () => {
  const all = signAccess(key, claim);
  assert.equal(checkAccess(key, all, at), 2_000_000);
  assert.equal(checkAccess(key, all, { ...at, port: 81 }), 2_000_000);
  assert.equal(checkAccess(key, all, { ...at, id: 'sb-bbbb' }), undefined);
  assert.equal(checkAccess(key, all, { ...at, now: 2_000_000 }), undefined);
  assert.equal(checkAccess(new Uint8Array(32), all, at), undefined);
  const one = signAccess(key, { ...claim, port: 80 });
  assert.equal(checkAccess(key, one, at), 2_000_000);
  assert.equal(checkAccess(key, one, { ...at, port: 8080 }), undefined);
});

it('no change of a token, and no text of any kind, is a token', () => {
  const good = signAccess(key, { ...claim, port: 80 });
  const changed = fc
    .tuple(fc.nat(good.length - 1), fc.constantFrom(...'.-_019azAZ'))
    .map(([place, text]) => good.slice(0, place) + text + good.slice(place + 1));
  fc.assert(
    fc.property(fc.oneof(fc.string(), changed, fc.constant(good.replace('.80.', '.all.'))), (token) => {
      // The last character of base64url carries bits that are not of the MAC.
      if (token.slice(0, -1) === good.slice(0, -1)) return;
      assert.equal(checkAccess(key, token, at), undefined);
    }),
    { numRuns: 1_000 },
  );
});

it('a rule by port closes the ports that it does not name', () => {
  assert.deepEqual(
    [undefined, 'open', 'token'].map((rule) => needsToken(rule as 'open' | undefined, 80)),
    [false, false, true],
  );
  assert.equal(needsToken({ 80: 'open' }, 80), false);
  assert.equal(needsToken({ 80: 'open' }, 81), true);
  assert.equal(needsToken({ 80: 'token' }, 80), true);
});
