import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { PUBLIC, REFUSED } from './host-world.ts';
import type { Findings } from './network-world.ts';
import { inOwnHost } from './own-host.ts';

let found: Findings;
before(async () => {
  found = await inOwnHost('network-world.ts');
});

it('every address that is tried has something listening: the host beside reaches it', () => {
  for (const address of [...PUBLIC, ...REFUSED]) assert.ok(found.beside.includes(address), address);
  assert.equal(found.beside.length, PUBLIC.length + REFUSED.length + 3);
});

it('a sandbox with network `none` reaches nothing at all', () => {
  assert.deepEqual(found.none, { outside: [], host: [], sandboxes: [] });
});

it('a sandbox with network `public` reaches public addresses and none of the refused ones', () => {
  assert.deepEqual(found.public, { outside: PUBLIC, host: [], sandboxes: [] });
});

it('the host reaches both, and nobody beyond the host reaches either', () => {
  assert.deepEqual(found.fromHost, { none: true, public: true });
  assert.deepEqual(found.fromOutside, { none: false, public: false });
});

it("another sandbox's address as the source gets nowhere", () => {
  assert.equal(found.ownSource, true);
  assert.equal(found.spoofed, false);
});

it('there is no IPv6 but on the loopback', () => {
  assert.deepEqual(
    found.ipv6
      .trim()
      .split('\n')
      .filter((line) => !line.endsWith(' lo')),
    [],
  );
});

it('the number of rules does not grow with the number of sandboxes', () => {
  assert.ok(found.rules.before > 10);
  // One line is added once, when the first sandbox with network `public` needs forwarding.
  assert.ok(found.rules.after - found.rules.before <= 1, JSON.stringify(found.rules));
});

it('rules that another tool flushed are loaded again at once', () => {
  assert.equal(found.restored, true);
  assert.deepEqual(found.afterFlush, { outside: PUBLIC, host: [], sandboxes: [] });
});
