import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import { INDEX, netMessages } from './netlink.ts';

const net = { address: '10.199.1.2', gateway: '10.199.255.254', hostInterface: 'arcn00258', mtu: 1500 };

/** The messages of a row: type, flags, and the whole of each. */
function messages(row: Buffer): { readonly type: number; readonly flags: number; readonly bytes: Buffer }[] {
  const found = [];
  for (let at = 0; at < row.length; ) {
    const length = row.readUInt32LE(at);
    assert.equal(length % 4, 0, 'aligned');
    const bytes = row.subarray(at, at + length);
    found.push({ type: bytes.readUInt16LE(4), flags: bytes.readUInt16LE(6), bytes });
    at += length;
  }
  return found;
}

test('one message makes the pair, the others set up one end each, all asking for an answer', () => {
  const { pair, host, inside } = netMessages({ net, slot: 258 });
  assert.deepEqual(
    messages(pair).map(({ type }) => type),
    [16],
  );
  assert.deepEqual(
    messages(host).map(({ type }) => type),
    [16, 20, 28, 24],
  );
  assert.deepEqual(
    messages(inside).map(({ type }) => type),
    [16, 20, 16, 28, 24, 24],
  );
  for (const { flags } of [pair, host, inside].flatMap(messages)) assert.equal(flags & 5, 5);
});

test('names, addresses and the fixed hardware addresses of the slot are in them', () => {
  const { pair, host, inside } = netMessages({ net, slot: 258 });
  for (const part of ['arcn00258\0', 'eth0\0', 'veth']) assert.ok(pair.includes(part), part);
  const mac = (end: number) => Buffer.from([0x02, 0x61, 0x72, end, 1, 2]);
  assert.ok(pair.includes(mac(0)) && pair.includes(mac(1)));
  assert.ok(host.includes(mac(1)), 'the host knows the sandbox without asking');
  assert.ok(inside.includes(mac(0)), 'the sandbox knows its gateway without asking');
  assert.ok(host.includes(Buffer.from([10, 199, 1, 2])));
  assert.ok(inside.includes(Buffer.from([10, 199, 255, 254])));
});

test('the host has the gateway address on the link and speaks from it', () => {
  const { host } = netMessages({ net, slot: 258 });
  const gateway = Buffer.from([10, 199, 255, 254]);
  const [, address, , route] = messages(host);
  assert.ok(address?.bytes.includes(gateway));
  assert.ok(route?.bytes.includes(Buffer.concat([Buffer.from([8, 0, 7, 0]), gateway])), 'preferred source');
});

test('where the index goes is marked, aligned as the helper looks for it', () => {
  const { host, inside } = netMessages({ net, slot: 1 });
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(INDEX);
  for (const row of [host, inside]) {
    const at = row.indexOf(mark);
    assert.ok(at > 0 && at % 4 === 0);
  }
});

test('what is no address is refused', () => {
  for (const address of ['', '10.0.0', '::1', '10.0.0.256']) {
    assert.throws(() => netMessages({ net: { ...net, address }, slot: 1 }), ArcError, address);
  }
});
