import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boxFaults, type Seen } from './box-faults.ts';

const NONE = '0000000000000000';
const whole: Seen = {
  status: `Name:\twhoami\nCapInh:\t${NONE}\nCapPrm:\t${NONE}\nCapEff:\t${NONE}\nCapBnd:\t${NONE}\nCapAmb:\t${NONE}\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n`,
  uidMap: '         0  268500992      65536\n',
  shared: [],
  memoryLimit: '16777216',
  pidsLimit: '16',
};

test('a whole box has no faults', () => {
  for (const level of ['jail', 'container', 'gvisor'] as const) assert.deepEqual(boxFaults(whole, level), []);
});

test('each piece that is missing is named', () => {
  const without: [Partial<Seen>, RegExp][] = [
    [{ shared: ['net'] }, /host's net namespace/],
    [{ uidMap: '0 0 4294967295' }, /no host ids of its own/],
    [{ memoryLimit: '9223372036854771712' }, /memory is not limited/],
    [{ memoryLimit: 'max' }, /memory is not limited/],
    [{ pidsLimit: 'max' }, /processes are not limited/],
    [{ status: whole.status.replace('Seccomp:\t2', 'Seccomp:\t0') }, /no filter of system calls/],
    [{ status: whole.status.replace(`CapEff:\t${NONE}`, 'CapEff:\t00000000a80425fb') }, /capabilities \(CapEff\)/],
    [{ status: whole.status.replace('NoNewPrivs:\t1', 'NoNewPrivs:\t0') }, /may gain privileges/],
  ];
  for (const [piece, pattern] of without) {
    const faults = boxFaults({ ...whole, ...piece }, 'container');
    assert.equal(faults.length, 1);
    assert.match(faults[0] ?? '', pattern);
  }
});

test('the capabilities of a second kernel are not those of the program in it', () => {
  const sentry = { ...whole, status: whole.status.replace(`CapEff:\t${NONE}`, 'CapEff:\t0000000000000001') };
  assert.deepEqual(boxFaults(sentry, 'gvisor'), []);
  assert.equal(boxFaults(sentry, 'container').length, 1);
});
