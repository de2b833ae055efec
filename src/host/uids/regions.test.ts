import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { hostBaseOf, IDS_PER_SLOT, idsOfRegion, parseSubordinate, REGIONS, SLOTS_PER_REGION } from './range.ts';
import { releaseRegions, UidRegions } from './regions.ts';

const root = mkdtempSync('/tmp/arc-uids-');
after(() => rmSync(root, { recursive: true }));
let made = 0;

/** A machine with its registry; `open` is a start of Arc on a data folder of that name. */
function machine(reserved = parseSubordinate(''), inUse: (first: number) => boolean = () => false) {
  const dir = join(root, String(made++));
  const registry = join(dir, 'host/uids.db');
  const path = (name: string) => join(dir, name);
  const open = (name: string, tag = name) => {
    mkdirSync(path(name), { recursive: true });
    const limits = { reserved: () => reserved, inUse: (range: { first: number }) => inUse(range.first) };
    return UidRegions.open({ dataDir: path(name), tag, registry, ...limits });
  };
  return { path, registry, open };
}

test('no two slots of any regions share an id, and all are below 2^31', () => {
  const slot = fc.integer({ min: 1, max: REGIONS * SLOTS_PER_REGION });
  const all = [...Array(REGIONS).keys()].reverse();
  fc.assert(
    fc.property(slot, slot, (one, other) => {
      const [low, high] = [hostBaseOf(one, all) ?? 0, hostBaseOf(other, all) ?? 0];
      assert.ok(low >= 0x1000_0000 && low + IDS_PER_SLOT < 2 ** 31);
      assert.ok(one === other || Math.abs(low - high) >= IDS_PER_SLOT);
    }),
  );
  assert.equal(hostBaseOf(0, all), undefined);
  assert.equal(hostBaseOf(SLOTS_PER_REGION + 1, [0]), undefined);
});

test('two data folders of one machine never share an id, however they grow, and each keeps its own over a restart', () => {
  const { open } = machine();
  const [one, two] = [open('one'), open('two')];
  one.grow();
  two.grow();
  one.grow();
  const bases = (of: UidRegions) =>
    Array.from({ length: of.slots / SLOTS_PER_REGION }, (_, at) => of.hostBase(1 + at * SLOTS_PER_REGION));
  assert.equal(new Set([...bases(one), ...bases(two)]).size, 5);
  assert.deepEqual(bases(open('one')), bases(one));
  assert.deepEqual(bases(open('two')), bases(two));
});

test('ids that were given to users for their own containers, or that a process has, are left alone', () => {
  const reserved = parseSubordinate(`# for podman\nada:${idsOfRegion(0).first + 5}:10\nno line of it\n`);
  const { open } = machine(reserved, (first) => first === idsOfRegion(1).first);
  assert.equal(open('one').hostBase(1), idsOfRegion(2).first);
});

test('what was given back, and what a removed data folder had, is given again', () => {
  const { open, path, registry } = machine();
  open('one');
  open('two');
  mkdirSync(path('one/sandboxes/sb-aaaa'), { recursive: true });
  releaseRegions(path('one'), registry);
  assert.equal(open('three').hostBase(1), idsOfRegion(2).first, 'one has a sandbox, and keeps its ids');
  rmSync(path('one/sandboxes/sb-aaaa'), { recursive: true });
  releaseRegions(path('one'), registry);
  rmSync(path('two'), { recursive: true });
  assert.equal(open('four').hostBase(1), idsOfRegion(0).first);
  assert.equal(open('five').hostBase(1), idsOfRegion(1).first);
});

test('a moved data folder takes its ids along; a copied one is refused beside its original', () => {
  const { open, path } = machine();
  const first = open('one').hostBase(1);
  renameSync(path('one'), path('moved'));
  assert.equal(open('moved').hostBase(1), first);
  mkdirSync(path('copy'));
  writeFileSync(path('copy/uid-regions.json'), readFileSync(path('moved/uid-regions.json')));
  assert.throws(() => open('copy'), /the host ids of .*copy are those of .*moved/);
});

test('a lost registry is made again from what the data folders have', () => {
  const { open, registry } = machine();
  open('one');
  const second = open('two').hostBase(1);
  rmSync(registry);
  assert.equal(open('two').hostBase(1), second);
  assert.equal(open('one').hostBase(1), idsOfRegion(0).first);
});

test('a start that was killed between the registry and the data folder leaves nothing taken', () => {
  const { open, path } = machine();
  open('one');
  rmSync(path('one/uid-regions.json'));
  assert.equal(open('one').hostBase(1), idsOfRegion(0).first);
  assert.equal(open('two').hostBase(1), idsOfRegion(1).first);
});

test('two data folders whose names on the machine would be the same, and a damaged record, are refused', () => {
  const { open, path } = machine();
  open('one', 'same');
  assert.throws(() => open('two', 'same'), /would use the same names on this machine/);
  writeFileSync(path('one/uid-regions.json'), '[4,');
  assert.throws(() => open('one', 'same'), /uid-regions.json is damaged/);
});

test('when the machine has no ids left it is said', () => {
  const { open } = machine(parseSubordinate(`ada:${idsOfRegion(1).first}:4294967295`));
  assert.throws(() => open('one').grow(), /no host ids are left/);
});
