import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { Outbound } from './outbound-world.ts';
import { inOwnHost } from './own-host.ts';

const NAMED = '93.184.216.34';
const RESOLVER = '8.8.8.8';

let found: Outbound;
before(async () => {
  found = await inOwnHost('outbound-world.ts');
});

it('a name of the list is answered, and only then its address can be reached', () => {
  assert.deepEqual(found.names.before, []);
  assert.match(found.names.lookedUp, new RegExp(NAMED));
  assert.deepEqual(found.names.after, [NAMED]);
});

it('a name that is not of the list has no answer, and its refusal is remembered', () => {
  assert.doesNotMatch(found.names.notNamed, new RegExp(NAMED));
  assert.ok(found.use.names.some(({ name, why }) => name === 'free.example.net' && why === 'not-allowed'));
});

it('another resolver answers who may reach everything, and nobody with a list of names', () => {
  assert.match(found.names.otherResolverOfPublic, new RegExp(NAMED));
  assert.doesNotMatch(found.names.otherResolver, new RegExp(NAMED));
  assert.ok(
    found.use.refused.some(({ address, port, protocol }) => address === RESOLVER && port === 53 && protocol === 'udp'),
  );
});

it('a name of the list that leads to a private address leads nowhere', () => {
  assert.doesNotMatch(found.names.rebound, /10\.1\.2\.3/);
  assert.deepEqual(found.names.reachedRebound, []);
  assert.ok(found.use.names.some(({ why, address }) => why === 'refused-address' && address === '10.1.2.3'));
});

it('what a name was answered with is closed again when the lifetime of the answer is over', () => {
  assert.equal(found.names.forgotten, true);
});

it('networks and ports of a list are reached, and nothing refused that lies in them; after a restart too', () => {
  assert.deepEqual(found.networks.reached, [RESOLVER, NAMED]);
  assert.deepEqual(found.networks.afterRestart, [RESOLVER, NAMED]);
});

it('connections are counted, and refusals with address and port', () => {
  assert.ok(found.use.opened >= 1, JSON.stringify(found.use));
  assert.ok(found.use.refused.some(({ address, port }) => address === '10.1.2.3' && port === 80));
});

it('the policy of one that runs can be opened, closed and narrowed', () => {
  assert.deepEqual(found.changed.open, [NAMED]);
  assert.deepEqual(found.changed.closed, []);
  assert.deepEqual(found.changed.listed, [RESOLVER]);
});

it('one that was started without a name server is told of it once names are allowed', () => {
  assert.match(found.changed.resolvConf, /^nameserver 10\.199\.255\.254$/m);
  assert.match(found.changed.lookedUp, new RegExp(NAMED));
});

it('while all rules are flushed and nobody puts them back, nothing that is refused can be reached', () => {
  assert.equal(found.flushed.tablesLeft.trim(), '');
  assert.deepEqual(found.flushed.none, []);
  assert.deepEqual(found.flushed.public, []);
  assert.equal(found.flushed.fromOutside, false);
});

it('that is by the barrier: without it refused places would be reached', () => {
  assert.ok(found.flushed.bare.length > 0);
});

it('the rules are loaded again by the next look', () => {
  assert.deepEqual(found.flushed.mended, [NAMED]);
});
