import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArcError } from '../contract/errors.ts';
import type { RootRef } from '../contract/spec.ts';
import { LEVELS, type Level } from '../contract/states.ts';
import { chooseLevel, type LevelSeen, levelRank } from './choose-level.ts';

const PLAIN: RootRef = { kind: 'layers', digests: [] };
const HOST: RootRef = { kind: 'builtin', name: 'host' };
const base = (isolation: Level, root: RootRef = PLAIN) => ({ template: 'web', isolation, root });
const seen = (...had: readonly Level[]): readonly LevelSeen[] =>
  LEVELS.map((level) => ({ level, available: had.includes(level) }));
const refused = (code: string, levels: readonly Level[]) => (error: unknown) => {
  assert.ok(error instanceof ArcError && error.code === code, String(error));
  assert.deepEqual(error.extra.levels, levels);
  return true;
};

test('nothing said is the least level of the template', () => {
  assert.equal(chooseLevel(base('gvisor'), undefined), 'gvisor');
});

test('auto is the strongest that is there', () => {
  assert.equal(chooseLevel(base('container'), 'auto', seen('jail', 'container', 'gvisor')), 'gvisor');
  assert.equal(chooseLevel(base('container'), 'auto', seen('jail', 'container')), 'container');
  assert.equal(chooseLevel(base('jail'), 'auto', seen('jail', 'microvm')), 'microvm');
});

test('auto on machines that have only weaker ones is refused', () => {
  assert.throws(
    () => chooseLevel(base('gvisor'), 'auto', seen('jail', 'container')),
    refused('isolation_unavailable', []),
  );
});

test('a weaker one than the template states is refused, with those that it allows', () => {
  assert.throws(
    () => chooseLevel(base('gvisor'), 'container'),
    refused('isolation_too_weak', ['gvisor', 'kata', 'microvm']),
  );
});

test("the machine's own programs are shown by a jail only", () => {
  assert.equal(chooseLevel(base('jail', HOST), undefined), 'jail');
  assert.equal(chooseLevel(base('jail', HOST), 'auto', seen('jail', 'container', 'gvisor')), 'jail');
  assert.throws(() => chooseLevel(base('jail', HOST), 'container'), refused('isolation_unavailable', ['jail']));
});

test('whatever is asked for and whatever is there: never weaker than the template or the create', () => {
  const level = fc.constantFrom(...LEVELS);
  fc.assert(
    fc.property(
      level,
      fc.option(fc.oneof(level, fc.constant('auto' as const))),
      fc.subarray([...LEVELS]),
      (l, a, had) => {
        try {
          const given = chooseLevel(base(l), a ?? undefined, seen(...had));
          assert.ok(levelRank(given) >= levelRank(l));
          if (a === 'auto') assert.ok(had.includes(given));
          else if (a !== null) assert.equal(given, a);
        } catch (error) {
          assert.ok(error instanceof ArcError, String(error));
        }
      },
    ),
  );
});

test('auto gives an emulated level only where the template allows nothing else', () => {
  const here = seen('container', 'gvisor').concat({ level: 'microvm', available: true, emulated: true });
  assert.equal(chooseLevel(base('container'), 'auto', here), 'gvisor');
  assert.equal(chooseLevel(base('microvm'), 'auto', here), 'microvm');
  assert.equal(chooseLevel(base('container'), 'microvm', here), 'microvm');
});

test('where nothing is asked for, the usual level, else the next stronger one, else the strongest weaker one', () => {
  const python = { ...base('wasm', { kind: 'builtin', name: 'python' }), usually: 'container' } as const;
  assert.equal(chooseLevel(python, undefined, seen('wasm', 'jail', 'container', 'gvisor')), 'container');
  assert.equal(chooseLevel(python, undefined, seen('wasm', 'gvisor')), 'gvisor');
  assert.equal(chooseLevel(python, undefined, seen('wasm', 'jail')), 'jail');
  assert.equal(chooseLevel(python, undefined, seen('wasm')), 'wasm');
  assert.equal(chooseLevel(python, 'wasm', seen('wasm', 'container')), 'wasm');
});

test('the level wasm runs what its engines bring, and no root of programs for the machine', () => {
  const shell = base('container', { kind: 'builtin', name: 'shell' });
  assert.throws(() => chooseLevel({ ...shell, isolation: 'wasm' }, 'wasm'), /can not be run at the level wasm/);
});
