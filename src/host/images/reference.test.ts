import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArcError } from '../../contract/errors.ts';
import { parseReference } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('names are read as Docker reads them', () => {
  const cases: [string, string, string, string | undefined, string | undefined][] = [
    ['nginx', 'https://registry-1.docker.io', 'library/nginx', 'latest', undefined],
    ['a/b:1', 'https://registry-1.docker.io', 'a/b', '1', undefined],
    ['docker.io/nginx', 'https://registry-1.docker.io', 'library/nginx', 'latest', undefined],
    ['ghcr.io/a/b/c:x', 'https://ghcr.io', 'a/b/c', 'x', undefined],
    [`r.example:5000/a@${digest}`, 'https://r.example:5000', 'a', undefined, digest],
    [`r.example/a:t@${digest}`, 'https://r.example', 'a', 't', digest],
    ['localhost/a', 'http://localhost', 'a', 'latest', undefined],
    ['localhost:5000/a', 'http://localhost:5000', 'a', 'latest', undefined],
    ['127.0.0.1:5000/a', 'http://127.0.0.1:5000', 'a', 'latest', undefined],
    ['127.9.9.9/a', 'http://127.9.9.9', 'a', 'latest', undefined],
    ['[::1]:5000/a', 'http://[::1]:5000', 'a', 'latest', undefined],
  ];
  for (const [name, origin, repository, tag, wanted] of cases) {
    const got = parseReference(name);
    assert.deepEqual([got.origin, got.repository, got.tag, got.digest], [origin, repository, tag, wanted], name);
  }
});

test('plain HTTP is chosen for loopback addresses only, however they are written', () => {
  for (const name of ['localhost.example/a', '127.0.0.1.example/a', '128.0.0.1/a', '10.0.0.1:5000/a', '[::2]/a']) {
    assert.match(parseReference(name).origin, /^https:/, name);
  }
});

test('odd names are refused with a reason', () => {
  const odd = [
    '',
    ' ',
    'A',
    'a:',
    'a:b:c d',
    'a@sha256:12',
    'a@sha512:00',
    '../a',
    'a/../b',
    'a//b',
    'a?b',
    'u:p@h.example/a',
  ];
  for (const name of [...odd, 'x.example:99999999/a', 'http://a.example/b', 'a.example/b#c', `a${'b'.repeat(600)}`]) {
    assert.throws(() => parseReference(name), { code: 'invalid_request' }, name);
  }
});

test('any text is either a name or an invalid_request, and a name gives a clean address', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z.:@/[\]0-9-]{1,40}$/)), (text) => {
      try {
        const { origin, repository } = parseReference(text);
        const url = new URL(`${origin}/v2/${repository}/manifests/x`);
        assert.equal(url.pathname, `/v2/${repository}/manifests/x`);
        assert.equal(url.username + url.password + url.search + url.hash, '');
      } catch (error) {
        assert.ok(error instanceof ArcError && error.code === 'invalid_request', String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
