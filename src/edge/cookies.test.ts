import assert from 'node:assert/strict';
import { it } from 'node:test';
import { prefersHtml } from './accept.ts';
import { scopeSetCookie, withoutArcCookies } from './cookies.ts';

const scope = { domain: 'sandboxes.example', prefix: '' };

it("Arc's own cookies are left out, in every spelling, and no other", () => {
  assert.equal(withoutArcCookies('a=1; ARC_x=2;arc_y=3; b=arc_4'), 'a=1; b=arc_4');
  assert.equal(withoutArcCookies('__Secure-arc_x=1'), undefined);
  assert.equal(withoutArcCookies('search_arc_x=1'), 'search_arc_x=1');
});

it('a cookie for the whole domain, or for one above it, is kept to the host; one for the own host stays as it is', () => {
  assert.equal(scopeSetCookie('a=1; Domain=.Sandboxes.example; Path=/', scope), 'a=1; Path=/');
  assert.equal(scopeSetCookie('a=1; domain = example', scope), 'a=1');
  assert.equal(scopeSetCookie('a=1; Domain=sb-aaaa.sandboxes.example', scope), 'a=1; Domain=sb-aaaa.sandboxes.example');
  assert.equal(scopeSetCookie(' arc_x=1', scope), undefined);
});

it('a page is given to who would rather have HTML than JSON', () => {
  const cases: readonly (readonly [string | undefined, boolean])[] = [
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['text/html', true],
    ['text/html,application/xhtml+xml,*/*;q=0.8', true],
    ['application/json, text/html;q=0.5', false],
    ['text/html;q=0', false],
  ];
  for (const [accept, html] of cases) assert.equal(prefersHtml(accept), html, accept);
});
