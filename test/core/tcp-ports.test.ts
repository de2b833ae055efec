import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ada, builtin, failsWith, Plane } from './plane.ts';

const TEMPLATES = [builtin('pwn', { tcp: [1337] }), builtin('two', { tcp: [1, 2], pool: { min: 2 } })];
const range = (count: number) => ({ tcpPorts: { first: 20_000, last: 20_000 + count - 1 } });

describe('ports of this machine for tcp ports of sandboxes', () => {
  it('are given at create, by claims too, never to two, and no more than there are', async () => {
    const plane = await Plane.started(range(10), TEMPLATES);
    await plane.clock.advance(1_000);
    const asked = [...Array.from({ length: 3 }, () => 'two'), ...Array.from({ length: 9 }, () => 'pwn')];
    const results = await plane.drive(Promise.allSettled(asked.map((template) => plane.create({ template }))));
    const made = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const ports = made.flatMap(({ tcpPorts }) => Object.values(tcpPorts ?? {}));
    assert.equal(ports.length, 10);
    assert.equal(new Set(ports).size, 10);
    assert.ok(ports.every((port) => port >= 20_000 && port < 20_010));
    const refused = results.find((one) => one.status === 'rejected');
    assert.ok(refused && failsWith('at_capacity')(refused.reason));
    const [first] = made;
    assert.deepEqual(plane.router.routes.get(first?.id ?? '')?.tcpPorts, first?.tcpPorts);
  });

  it('stay through a restart of Arc and a reset, and are free again after a removal', async () => {
    const plane = await Plane.started(range(1), TEMPLATES);
    const id = await plane.made('pwn');
    await plane.restart();
    await assert.rejects(plane.drive(plane.create({ template: 'pwn' })), failsWith('at_capacity'));
    await plane.drive(plane.now.sandboxes.reset(ada, id, { waitMs: 30_000, signal: new AbortController().signal }));
    assert.deepEqual((await plane.row(id))?.tcpPorts, { 1337: 20_000 });
    await plane.drive(plane.now.sandboxes.remove(ada, id));
    assert.equal(plane.router.routes.get(id)?.tcpPorts, undefined);
    assert.deepEqual((await plane.row(await plane.made('pwn')))?.tcpPorts, { 1337: 20_000 });
  });

  it('are none without a range: such ports are reached by TLS then', async () => {
    const plane = await Plane.started({}, TEMPLATES);
    assert.equal((await plane.row(await plane.made('pwn')))?.tcpPorts, undefined);
  });
});
