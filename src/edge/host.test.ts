import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { parseHost, parseLabel } from './host.ts';

const NAMES = new Set(['arc.example']);
const DOMAIN = 'sandboxes.example';

it('a host names at most the sandbox whose label stands directly before the domain', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom('', '.', ':80', ':', '.:1'), (junk, end) => {
      const parsed = parseHost(`${junk}sb-aaaa.${DOMAIN}${end}`, DOMAIN, NAMES);
      if (parsed.kind !== 'sandbox') return;
      const label = `${junk}sb-aaaa`.toLowerCase();
      assert.equal(
        label,
        parsed.target.port === undefined ? parsed.target.id : `${parsed.target.port}-${parsed.target.id}`,
      );
    }),
  );
});

it('whatever is not below the domain names no sandbox', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (text.toLowerCase().includes(DOMAIN)) return;
      assert.notEqual(parseHost(text, DOMAIN, NAMES).kind, 'sandbox');
      assert.notEqual(parseHost(`sb-aaaa.${DOMAIN}.${text}x`, DOMAIN, NAMES).kind, 'sandbox');
    }),
  );
});

it('the edge is reached by its names, by the domain and by any address, and by nothing else', () => {
  const kinds = [
    'arc.example:7780',
    DOMAIN,
    '127.0.0.1',
    '[::1]:80',
    '10.0.0.1:1',
    'other.example',
    '1.2.3',
    'arc.example.evil',
  ];
  assert.deepEqual(
    kinds.map((host) => parseHost(host, DOMAIN, NAMES).kind),
    ['edge', 'edge', 'edge', 'edge', 'edge', 'foreign', 'foreign', 'foreign'],
  );
});

it('every port from 1 to 65535 can be named, in one spelling', () => {
  for (const port of [1, 80, 65_535]) assert.deepEqual(parseLabel(`${port}-sb-aaaa`), { id: 'sb-aaaa', port });
  for (const port of ['0', '00080', '65536', '8e1', '-1', '+1', ''])
    assert.equal(parseLabel(`${port}-sb-aaaa`), undefined);
});
