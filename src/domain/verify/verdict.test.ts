import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsInShort, refuses } from './verdict.ts';

const check = (id: string, outcome: 'passed' | 'failed') => ({
  ...{ id, title: id, outcome },
  findings: outcome === 'failed' ? [{ via: 'exec' as const, text: 'it got out' }] : [],
});

test('a level with a finding takes no work, one without does', () => {
  assert.equal(refuses({ checks: [check('complete', 'passed'), check('self.ids', 'failed')] }), true);
  assert.equal(refuses({ checks: [check('complete', 'passed'), check('self.ids', 'passed')] }), false);
});

test('an adversary that could not come to its end proves nothing', () => {
  assert.equal(refuses({ checks: [check('complete', 'failed'), check('self.ids', 'failed')] }), false);
});

test('findings are told in one sentence', () => {
  const checks = [check('complete', 'passed'), check('self.ids', 'failed'), check('calls.list', 'failed')];
  assert.equal(findingsInShort({ checks }), 'self.ids (it got out), and 1 more');
});
