import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ArcError } from '../contract/errors.ts';
import { REASONS, STATES } from '../contract/states.ts';
import {
  born,
  DETAIL_CHARS_MAX,
  HISTORY_ENTRIES_MAX,
  isTerminal,
  mayFollow,
  TRANSITIONS,
  transition,
} from './lifecycle.ts';

it('every state but removed can fail or be removed, and nothing follows removed', () => {
  for (const state of STATES) {
    if (state === 'removed') assert.ok(isTerminal(state));
    else {
      assert.ok(mayFollow(state, 'removed'), state);
      assert.ok(state === 'failed' || mayFollow(state, 'failed'), state);
    }
    // A warning may be followed by one of a limit that is nearer.
    assert.equal(mayFollow(state, state), state === 'warned', state);
  }
});

it('every state can be reached from queued', () => {
  const reached = new Set(['queued']);
  for (const state of reached) for (const next of TRANSITIONS[state as 'queued']) reached.add(next);
  assert.deepEqual([...reached].sort(), [...STATES].sort());
});

it('any walk along the table keeps a bounded history whose entries follow each other, and no other step is taken', () => {
  const step = fc.tuple(
    fc.constantFrom(...STATES),
    fc.constantFrom(...REASONS),
    fc.option(fc.string(), { nil: undefined }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let record = { ...born('queued', 'created', 0), id: 'sb-x' };
      for (const [at, [to, reason, detail]] of steps.entries()) {
        if (!mayFollow(record.state, to)) {
          assert.throws(
            () => transition(record, to, reason, at),
            (error) => error instanceof ArcError,
          );
          continue;
        }
        const next = transition(record, to, reason, at, detail);
        assert.deepEqual([next.state, next.reason, next.detail, next.id], [to, reason, detail, 'sb-x']);
        assert.deepEqual(next.history.at(-2), record.history.at(-1));
        record = next;
      }
      assert.ok(record.history.length <= HISTORY_ENTRIES_MAX);
      for (const [at, entry] of record.history.entries()) {
        const before = record.history[at - 1];
        assert.ok(!before || mayFollow(before.state, entry.state));
      }
    }),
  );
});

it('a detail is cut to its bound, and the one of before does not stay', () => {
  const failed = transition(born('starting', 'created', 0), 'failed', 'start-failed', 1, 'x'.repeat(10_000));
  assert.equal(failed.detail?.length, DETAIL_CHARS_MAX);
  assert.equal('detail' in transition(failed, 'removed', 'user', 2), false);
});
