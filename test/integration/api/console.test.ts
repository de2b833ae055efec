import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi } from './harness.ts';

/** The console's pages as they are served: from this server alone, in nobody's frame, on no site of the sandboxes. */

test('pages carry a policy that lets in nothing from elsewhere and nobody frame them', async () => {
  await using h = await startApi();
  for (const path of ['/console/', '/console/sandboxes/sb-abcd', '/open/']) {
    const response = await h.call('GET', path, { key: null });
    assert.equal(response.status, 200);
    const policy = response.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"]) {
      assert.ok(policy.includes(part), `${path}: ${part}`);
    }
    assert.ok(!/unsafe-eval|\*(?!\.)|https?:\/\/(?!\*\.localhost:7780)/.test(policy), policy);
    assert.equal(response.headers.get('x-frame-options'), 'DENY');
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(response.headers.get('cache-control'), 'no-cache');
  }
});

test("guides run nothing, are in nobody's frame, and a page that is not there is said so", async () => {
  await using h = await startApi();
  const page = await h.call('GET', '/guide/', { key: null });
  assert.match(
    page.headers.get('content-security-policy') ?? '',
    /^default-src 'none'; style-src 'self'; img-src 'self'; frame/,
  );
  assert.equal(page.headers.get('x-frame-options'), 'DENY');
  assert.equal((await h.call('GET', '/guide/../../etc/passwd', { key: null })).status, 404);
  assert.equal((await h.call('GET', '/guide/none.html', { key: null })).status, 404);
});

test('the page of a link can be framed by the origins that are named, and the console by none', async () => {
  await using h = await startApi({ config: { embedders: ['https://course.example'] } });
  const policyOf = async (path: string) =>
    (await h.call('GET', path, { key: null })).headers.get('content-security-policy') ?? '';
  assert.match(await policyOf('/open/'), /frame-ancestors https:\/\/course\.example;/);
  assert.match(await policyOf('/console/'), /frame-ancestors 'none';/);
});

test('files whose names change with their content are kept for good, pages are asked for again', async () => {
  await using h = await startApi();
  const asset = await h.call('GET', '/console/assets/app-1.js', { key: null });
  assert.match(asset.headers.get('cache-control') ?? '', /immutable/);
  assert.equal((await h.call('GET', '/console/assets/../index.html', { key: null })).status, 200);
  assert.equal((await h.call('GET', '/console/assets/none.js', { key: null })).status, 404);
  const page = await h.call('GET', '/console/', { key: null });
  const again = { 'if-none-match': page.headers.get('etag') ?? '' };
  assert.equal((await h.call('GET', '/console/', { key: null, headers: again })).status, 304);
});

test('on a name that shares its site with the sandboxes the console sends people to its address', async () => {
  await using h = await startApi({ config: { hostNames: ['arc.localhost'] } });
  const at = async (base: string) => await fetch(`${base}:${h.port}/console/nodes`, { redirect: 'manual' });
  const sent = await at('http://localhost');
  assert.equal(sent.status, 302);
  assert.equal(sent.headers.get('location'), `${h.base}/console/nodes`);
});

test('a browser that asks for the server itself gets the console', async () => {
  await using h = await startApi();
  const asked = await fetch(`${h.base}/`, { headers: { accept: 'text/html' }, redirect: 'manual' });
  assert.equal(asked.headers.get('location'), '/console/');
});
