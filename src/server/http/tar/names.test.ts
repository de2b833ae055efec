import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArchiveLinks, entryPath } from './names.ts';

const part = fc.constantFrom('a', 'b', '..', '.', '', 'c d', '\n', '...', '..a');

test('whatever an entry is called, it lands below the folder or is refused', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.boolean(), (parts, absolute) => {
      const name = `${absolute ? '/' : ''}${parts.join('/')}`;
      let path: string;
      try {
        path = entryPath(name, '/dst');
      } catch {
        return;
      }
      const full = posix.normalize(`/dst/${path}`);
      assert.ok(full === '/dst' || full === '/dst/' || full.startsWith('/dst/'), JSON.stringify(name));
      assert.ok(!path.split('/').includes('..'));
    }),
  );
});

test('a link that is taken leads, as it is written, to a place below the folder', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 5 }),
      fc.array(part, { maxLength: 8 }),
      (at, to) => {
        const path = at.join('/');
        const target = to.join('/');
        try {
          new ArchiveLinks().add(path, target);
        } catch {
          return;
        }
        const full = posix.resolve('/dst', posix.dirname(path), target);
        assert.ok(full === '/dst' || full.startsWith('/dst/'), `${path} -> ${target}`);
      },
    ),
  );
});

test('nothing goes through a link, at any depth, until it is replaced', () => {
  const links = new ArchiveLinks();
  links.add('a/b', 'c');
  for (const path of ['a/b/x', 'a/b/x/y'])
    assert.throws(() => links.refuseThrough(path, path), { code: 'archive_refused' });
  for (const path of ['a/b', 'a/bc/x', 'a/c', 'b/x']) links.refuseThrough(path, path);
  links.delete('a/b');
  links.refuseThrough('a/b/x', 'a/b/x');
});
