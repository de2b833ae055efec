import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import type { NetworkPolicy } from '../../contract/spec.ts';
import { silentLogger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import { ManualClock } from '../../testing/fakes/manual-clock.ts';
import { SeededRng } from '../../testing/fakes/seeded-rng.ts';
import { Firewall } from './firewall.ts';
import type { KeptPermit } from './permits.ts';
import { networkPlan } from './plan.ts';
import { ruleset } from './rules.ts';

const plan = networkPlan('10.199.0.0/16', '/data', 1500, () => 0x1000_0000);

/** A kernel that holds one table as text, and a monitor that can be made to speak and to end. */
function kernel() {
  const state = { table: '', loads: 0, lists: 0, broken: false, deaf: false, raised: 0 };
  const clock = new ManualClock();
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
  const sent: string[][] = [];
  const kept = new Map<string, KeptPermit>();
  const firewall = new Firewall({
    ...{ plan, nft: '/nft', run, log: silentLogger, open: [], resolverPort: () => 5353 },
    ...{ clock, rng: new SeededRng(1) },
    barrier: {
      raise: async () => {
        state.raised += 1;
        return true;
      },
      remove: async () => {},
    },
    permits: {
      write: async (permit) => void kept.set(permit.id, permit),
      remove: async (id) => void kept.delete(id),
      all: async () => [...kept.values()],
    },
    session: {
      apply: async (commands) => {
        sent.push([...commands]);
        return !state.deaf;
      },
      close: () => {},
    },
    monitor: (onLine, onEnd) => {
      heard = onLine;
      ended = onEnd;
      return () => {};
    },
  });
  return { state, sent, kept, clock, firewall, say: (line: string) => heard(line), deafen: () => ended() };
}

const admission = (network: NetworkPolicy, id = 'sb-a', slot = 1) => ({ id, slot, spec: { network } });

const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};

test('while the monitor listens a start costs no program', async () => {
  const { state, firewall } = kernel();
  await firewall.install();
  const before = state.lists;
  await firewall.admit(admission('none'));
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
  await firewall.admit(admission('none'));
  assert.match(state.table, /chain forward/);
});

test('a sandbox does not start where the rules can not be put in place', async () => {
  const { state, firewall } = kernel();
  state.broken = true;
  const unfit = (error: unknown) =>
    error instanceof ArcError && error.code === 'host_unfit' && /not supported/.test(error.message);
  await assert.rejects(firewall.install(), unfit);
  await assert.rejects(firewall.admit(admission('none')), unfit);
});

test('the table goes when all of it ends, and the sweep says whether it had to mend', async () => {
  const { state, firewall, deafen } = kernel();
  await firewall.install();
  assert.equal(await firewall.check(), false);
  state.table = '';
  deafen();
  assert.equal(await firewall.check(), true);
  await firewall.remove();
  assert.equal(state.table, '');
});

test('a sweep costs no program while the monitor listens; once a minute it looks all the same, and at the barrier', async () => {
  const { state, firewall, clock } = kernel();
  await firewall.install();
  await firewall.check();
  const { lists, raised } = state;
  state.table = '';
  assert.equal(await firewall.check(), false);
  assert.deepEqual([state.lists, state.raised], [lists, raised]);
  await clock.advance(60_000);
  assert.equal(await firewall.check(), true);
  assert.match(state.table, /chain forward/);
  assert.equal(state.raised, raised + 1);
});

test('the table is replaced in one transaction and has no rule for a single sandbox', () => {
  const text = ruleset(plan, { forwardingIsOurs: false, open: [], connections: [512] });
  assert.match(
    text,
    new RegExp(`^table inet ${plan.table}\ndelete table inet ${plan.table}\ntable inet ${plan.table} \\{`),
  );
  assert.ok(text.split('\n').length < 120);
  assert.match(text, /169\.254\.0\.0\/16/);
  assert.doesNotMatch(text, /turned on/);
});

test('what a sandbox may do is added when it is admitted, in one transaction, and taken back before its address has another owner', async () => {
  const { sent, kept, firewall } = kernel();
  await firewall.install();
  await firewall.admit(admission({ allow: ['198.18.0.0/15', '*.example.org'], ports: ['443'] }));
  assert.equal(sent.length, 1);
  const added = sent[0]?.join('\n') ?? '';
  assert.match(added, /networks \{ 10\.199\.0\.1 \. 198\.18\.0\.0\/15 \}/);
  assert.match(added, /ports \{ 10\.199\.0\.1 \. 443 \}/);
  assert.match(added, /policies \{ 10\.199\.0\.1 : jump by_ports \}$/);
  assert.equal(kept.get('sb-a')?.address, '10.199.0.1');
  await firewall.release('sb-b', 1);
  assert.equal(sent.length, 1, 'released by one who has it not');
  await firewall.release('sb-a', 1);
  assert.match(sent[1]?.join('\n') ?? '', /delete element inet \S+ policies \{ 10\.199\.0\.1 : jump by_ports \}/);
  assert.equal(firewall.permitOf('10.199.0.1'), undefined);
});

test('the same policy again changes nothing; another one has another number, so that old connections are looked at anew', async () => {
  const { sent, kept, firewall } = kernel();
  await firewall.install();
  await firewall.admit(admission('public'));
  const { generation } = kept.get('sb-a') ?? {};
  await firewall.admit(admission('public'));
  assert.equal(sent.length, 1);
  await firewall.admit(admission({ allow: ['example.org'] }));
  assert.equal(sent.length, 2);
  assert.notEqual(kept.get('sb-a')?.generation, generation);
});

test('an address is let out before its name is answered, and forgotten with a policy that does not name it', async () => {
  const { sent, firewall } = kernel();
  await firewall.install();
  await firewall.admit(admission({ allow: ['a.example', 'b.example'] }));
  await firewall.answered('10.199.0.1', 'a.example', [{ address: '8.8.8.8', seconds: 60 }]);
  assert.match(
    sent.at(-1)?.join('\n') ?? '',
    /add element inet \S+ names \{ 10\.199\.0\.1 \. 8\.8\.8\.8 timeout 60s \}/,
  );
  const late = firewall.admit(admission({ allow: ['b.example'] }));
  const raced = firewall.answered('10.199.0.1', 'a.example', [{ address: '9.9.9.9', seconds: 60 }]);
  await Promise.all([late, raced]);
  const added = sent.flat().filter((command) => /names \{ 10\.199\.0\.1 \. 9\.9\.9\.9 timeout 60s/.test(command));
  assert.deepEqual(added, [], 'an answer to a question of the policy before opened something');
});

test('what the long-lived nft does not carry out is loaded as a whole, with all that is allowed', async () => {
  const { state, firewall } = kernel();
  await firewall.install();
  state.deaf = true;
  await firewall.admit(admission('public'));
  assert.match(state.table, /policies \{ 10\.199\.0\.1 : jump by_public \}/);
});

test('a server that was started again loads what its sandboxes were let do', async () => {
  const { state, kept, firewall } = kernel();
  kept.set('sb-a', { v: 1, id: 'sb-a', address: '10.199.0.1', policy: { allow: ['8.8.0.0/16'] }, generation: 7 });
  await firewall.install();
  assert.match(state.table, /networks \{ 10\.199\.0\.1 \. 8\.8\.0\.0\/16 \}/);
  assert.match(state.table, /current \{ 10\.199\.0\.1 \. 7 \}/);
});
