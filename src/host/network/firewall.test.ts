import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import { silentLogger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import { Firewall } from './firewall.ts';
import { networkPlan } from './plan.ts';
import { ruleset } from './rules.ts';

const plan = networkPlan('10.199.0.0/16', '/data', 1500, () => 0x1000_0000);

/** A kernel that holds one table as text, and a monitor that can be made to speak and to end. */
function kernel() {
  const state = { table: '', loads: 0, lists: 0, broken: false };
  let heard: (line: string) => void = () => {};
  let ended: () => void = () => {};
  const run: Run = async (argv, options) => {
    const answer = (code: number, stdout = '', stderr = '') => ({ code, signal: null, stdout, stderr });
    if (argv.includes('list')) {
      state.lists += 1;
      return state.table === '' ? answer(1, '', 'No such file') : answer(0, state.table);
    }
    if (state.broken) return answer(1, '', 'Operation not supported\n');
    state.loads += 1;
    state.table = (options.stdin ?? '').includes('chain') ? (options.stdin ?? '') : '';
    return answer(0);
  };
  const firewall = new Firewall({
    ...{ plan, nft: '/nft', run, log: silentLogger },
    monitor: (onLine, onEnd) => {
      heard = onLine;
      ended = onEnd;
      return () => {};
    },
  });
  return { state, firewall, say: (line: string) => heard(line), deafen: () => ended() };
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};

test('while the monitor listens a start costs no program', async () => {
  const { state, firewall } = kernel();
  await firewall.install();
  const before = state.lists;
  await firewall.admit('none');
  assert.equal(state.lists, before);
  assert.equal(state.loads, 1);
});

test('rules that another program took away are loaded again as soon as the monitor says so', async () => {
  const { state, firewall, say } = kernel();
  await firewall.install();
  state.table = '';
  say(`delete table inet ${plan.table}`);
  await turns();
  assert.match(state.table, /chain forward/);
});

test('changes of the tables of others are not looked at', async () => {
  const { state, firewall, say } = kernel();
  await firewall.install();
  const before = state.lists;
  say('delete table inet docker');
  await turns();
  assert.equal(state.lists, before);
});

test('while nobody listens every start compares first, and mends', async () => {
  const { state, firewall, deafen } = kernel();
  await firewall.install();
  deafen();
  state.table = 'table inet something weaker';
  await firewall.admit('none');
  assert.match(state.table, /chain forward/);
});

test('a sandbox does not start where the rules can not be put in place', async () => {
  const { state, firewall } = kernel();
  state.broken = true;
  const unfit = (error: unknown) =>
    error instanceof ArcError && error.code === 'host_unfit' && /not supported/.test(error.message);
  await assert.rejects(firewall.install(), unfit);
  await assert.rejects(firewall.admit('none'), unfit);
});

test('the table goes when all of it ends, and the sweep says whether it had to mend', async () => {
  const { state, firewall } = kernel();
  await firewall.install();
  assert.equal(await firewall.check(), false);
  state.table = '';
  assert.equal(await firewall.check(), true);
  await firewall.remove();
  assert.equal(state.table, '');
});

test('the table is replaced in one transaction and has no rule for a single sandbox', () => {
  const text = ruleset(plan, { forwardingIsOurs: false });
  assert.match(
    text,
    new RegExp(`^table inet ${plan.table}\ndelete table inet ${plan.table}\ntable inet ${plan.table} \\{`),
  );
  assert.ok(text.split('\n').length < 80);
  assert.match(text, /169\.254\.0\.0\/16/);
  assert.doesNotMatch(text, /turned on/);
});
