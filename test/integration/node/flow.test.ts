import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { DNS_TCP, DNS_UDP, type Flow, ICMP_PUBLIC, LEAST_MS, MOST, UDP_PUBLIC } from './flow-world.ts';
import { inOwnHost } from './own-host.ts';

let found: Flow;
before(async () => {
  found = await inOwnHost('flow-world.ts');
});

it('each of them answers the host beside, by UDP, ICMP and TCP', () => {
  assert.deepEqual(found.beside, found.tried);
});

it('datagrams and pings get out under `public`, to public addresses only, and under `none` nothing does', () => {
  assert.deepEqual(found.public, [ICMP_PUBLIC, UDP_PUBLIC, DNS_TCP, DNS_UDP]);
  assert.deepEqual(found.none, []);
});

it('a list of networks lets datagrams and pings out to these; with ports, no ping and no other port', () => {
  assert.deepEqual(found.networks, [ICMP_PUBLIC, UDP_PUBLIC, DNS_TCP, DNS_UDP]);
  assert.deepEqual(found.ports, [UDP_PUBLIC]);
});

it('with a list of names no other resolver answers, by TCP as little as by UDP; the node’s own does', () => {
  assert.deepEqual(found.names, []);
  assert.deepEqual(found.ownResolver, { names: true, none: false });
});

it('what is sent is no faster than `bandwidth`, all of it arrives, and a neighbour is not slowed', () => {
  const { limited, usual } = found.sent;
  assert.deepEqual([limited.answer, usual.answer], ['all 2097152', 'all 2097152']);
  assert.ok(limited.ms >= LEAST_MS, `${limited.ms} ms for what takes ${LEAST_MS} ms at least`);
  assert.ok(usual.ms < limited.ms, `${usual.ms} ms, and ${limited.ms} ms of the limited one`);
});

it('no more connections are open at once than `connections`; when they are closed there may be new ones', () => {
  assert.equal(found.held.limited, MOST.connections);
  assert.equal(found.held.later, MOST.connections);
  assert.equal(found.held.usual, found.held.tried);
});

it('a datagram from a neighbour’s address gets nowhere', () => {
  assert.ok(found.heard.includes('own'), found.heard.join());
  assert.ok(!found.heard.includes('forged'), found.heard.join());
});
