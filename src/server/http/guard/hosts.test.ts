import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostNames, hostName, isLoopback } from './hosts.ts';

test('a Host header is read with or without a port, and nothing else passes for one', () => {
  assert.equal(hostName('LOCALHOST:7700'), 'localhost');
  assert.equal(hostName('localhost.'), 'localhost');
  assert.equal(hostName('[::1]:80'), '::1');
  for (const odd of [
    '',
    'a b',
    'localhost:',
    'localhost:port',
    'http://localhost',
    'localhost,evil',
    '[::1',
    '::1',
    'user@localhost',
    'x/y',
  ]) {
    assert.equal(hostName(odd), undefined, odd);
  }
});

test('the listen address, loopback names and configured names are served, and where the connection arrived', () => {
  const hosts = new HostNames('10.1.2.3', ['Arc.Example', '[fd00::1]']);
  for (const host of ['10.1.2.3:7700', 'localhost', '127.0.0.1', '[::1]', 'arc.example:1', '[fd00::1]:7700']) {
    assert.ok(hosts.allows(host, '10.1.2.3'), host);
  }
  assert.ok(hosts.allows('192.0.2.7', '::ffff:192.0.2.7'));
  assert.ok(!hosts.allows('192.0.2.7', '10.1.2.3'));
  assert.ok(!hosts.allows('evil.example', 'evil.example'), 'a name is never served for being the local address');
  assert.ok(!hosts.allows(undefined, '10.1.2.3'));
});

test('only loopback is loopback', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]']) assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.evil.example', 'localhost.evil'])
    assert.ok(!isLoopback(host), host);
});
