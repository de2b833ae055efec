import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { site } from '../../../src/main/guide/site.ts';
import { documents, writeGuide } from '../../../src/main/guide/write.ts';

/** The guides as pages, made from the documents as they are. */

const pages = new Map(site(await documents(), 'guide.css').map(({ path, html }) => [path, html]));

test('every link of the guides leads to a page that is there, and to a part that it has', () => {
  const lost: string[] = [];
  for (const [path, html] of pages) {
    for (const [, href = ''] of html.matchAll(/<a [^>]*href="([^"]+)"/g)) {
      if (/^https?:/.test(href)) continue;
      const [to = '', part] = href.split('#');
      const target = to === '' ? html : pages.get(posix.join(posix.dirname(path), to));
      if (target === undefined) lost.push(`${path}: ${href} is no page`);
      else if (part !== undefined && !target.includes(`id="${part}"`)) lost.push(`${path}: ${href} has no such part`);
    }
  }
  assert.deepEqual(lost, []);
});

test('every picture of the guides is written beside them, says what it shows, and is small', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'arc-guide-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeGuide(folder);
  let seen = 0;
  for (const [path, html] of pages) {
    for (const [, src = '', alt = ''] of html.matchAll(/<img src="([^"]+)" alt="([^"]*)"/g)) {
      const { size } = await stat(join(folder, posix.dirname(path), src));
      assert.ok(size < 80 * 1024, `${src} has ${size} bytes`);
      assert.ok(alt.length > 10, `${src} says nothing to who can not see it`);
      seen += 1;
    }
  }
  assert.ok(seen > 50, `${seen} pictures`);
});

test('each page is in the navigation of all, and a page loads nothing from elsewhere', () => {
  for (const [path, html] of pages) {
    const from = posix.dirname(path);
    for (const other of pages.keys())
      assert.ok(html.includes(`href="${posix.relative(from, other)}"`), `${path}: ${other}`);
    assert.doesNotMatch(html, /<script|<(?:link|img)[^>]+(?:href|src)="(?:https?:)?\/\//);
  }
});

test('what is shown as code or named as a path is text, and never markup', () => {
  const [page] = site(
    [{ path: 'docs/guides/a.md', text: '# A <b>`\n\n    <script>1</script>\n\n[x](../../src/x.ts) `<i>`\n' }],
    'a.css',
  );
  assert.match(page?.html ?? '', /&lt;script&gt;1&lt;\/script&gt;/);
  assert.match(page?.html ?? '', /<p>x <code>&lt;i&gt;<\/code><\/p>/);
});
