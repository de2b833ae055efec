import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Deliveries } from './deliveries.ts';
import { answerOf, lastsFor, RETRY_LIMITS, retryIn } from './retry.ts';
import { hookSecret, signedHeaders } from './sign.ts';
import { slackMessage } from './slack.ts';
import { isWanted } from './wanted.ts';

const NEVER = Number.POSITIVE_INFINITY;
const message = (seq: number, subject: string, until = NEVER) => ({ seq, subject, value: seq, until });
const seqs = (given: readonly { seq: number }[]) => given.map(({ seq }) => seq);
const down = { kind: 'down', detail: 'nobody is there' } as const;
const refused = { kind: 'refused', detail: 'it answered 400' } as const;
const taken = { kind: 'taken' } as const;

test('of one subject one is on its way at a time and in order, of several subjects several', () => {
  const all = new Deliveries<number>(RETRY_LIMITS);
  for (const [seq, subject] of [
    [1, 'a'],
    [2, 'a'],
    [3, 'b'],
    [4, 'c'],
  ] as const)
    all.add(message(seq, subject));
  assert.deepEqual(seqs(all.take(0, 2)), [1, 3]);
  assert.deepEqual(seqs(all.take(0, 2)), []);
  all.settle(3, taken, 0, 0.5);
  assert.deepEqual(seqs(all.take(0, 2)), [4], 'the second of `a` waits for the first');
  all.settle(1, taken, 0, 0.5);
  assert.deepEqual(seqs(all.take(0, 2)), [2]);
});

test('the cursor never passes a message that is not done with', () => {
  const all = new Deliveries<number>(RETRY_LIMITS);
  assert.equal(all.cursor(7), 7);
  for (const seq of [8, 9]) all.add(message(seq, `s${seq}`));
  all.take(0, 8);
  all.settle(9, taken, 0, 0.5);
  assert.equal(all.cursor(20), 7);
  all.settle(8, taken, 0, 0.5);
  assert.equal(all.cursor(20), 20);
});

test('while the receiver is down one is tried at a time, each time another, after waits that grow', () => {
  const all = new Deliveries<number>(RETRY_LIMITS);
  for (const seq of [1, 2, 3]) all.add(message(seq, `s${seq}`));
  let now = 0;
  const tried: number[] = [];
  const waits: number[] = [];
  for (let count = 0; count < 5; count++) {
    const [one, other] = all.take(now, count === 0 ? 1 : 8);
    assert.ok(one && other === undefined);
    tried.push(one.seq);
    all.settle(one.seq, down, now, 0.5);
    assert.deepEqual(all.take(now, 8), []);
    const next = all.nextAt() ?? 0;
    waits.push(next - now);
    now = next;
  }
  assert.deepEqual(tried.slice(0, 3), [1, 2, 3]);
  assert.deepEqual(waits.slice(0, 3), [1_000, 3_000, 9_000]);
  const [last] = all.take(now, 8);
  all.settle(last?.seq ?? 0, taken, now, 0.5);
  assert.equal(all.take(now, 8).length, 2, 'it is there again: the others go at once');
});

test('a message that is refused holds up its own sandbox only', () => {
  const all = new Deliveries<number>(RETRY_LIMITS);
  for (const [seq, subject] of [
    [1, 'a'],
    [2, 'a'],
    [3, 'b'],
    [4, 'b'],
  ] as const)
    all.add(message(seq, subject));
  all.take(0, 8);
  all.settle(1, refused, 0, 0.5);
  all.settle(3, taken, 0, 0.5);
  assert.deepEqual(seqs(all.take(0, 8)), [4]);
  assert.deepEqual(seqs(all.take(1_000, 8)), [1]);
});

test('what nobody takes is given up when its time is over, and what came after it goes', () => {
  const all = new Deliveries<number>(RETRY_LIMITS);
  all.add(message(1, 'a', 5_000));
  all.add(message(2, 'a', 9_000));
  all.take(0, 8);
  all.settle(1, refused, 0, 0.5);
  assert.deepEqual(seqs(all.giveUp(4_999)), []);
  assert.deepEqual(seqs(all.giveUp(5_000)), [1]);
  assert.deepEqual(seqs(all.take(5_000, 8)), [2]);
});

test('an answer says whether to try again, and when at the earliest', () => {
  const at = Date.UTC(2030, 0, 1);
  assert.equal(answerOf(204, null, at).kind, 'taken');
  assert.equal(answerOf(302, null, at).kind, 'refused');
  assert.equal(answerOf(400, null, at).kind, 'refused');
  assert.equal(answerOf(410, null, at).kind, 'ended');
  assert.equal(answerOf(503, null, at).kind, 'down');
  assert.deepEqual(answerOf(429, '7', at), { kind: 'down', detail: 'it answered 429', retryAfterMs: 7_000 });
  const date = new Date(at + 90_000).toUTCString();
  assert.deepEqual(answerOf(503, date, at), { kind: 'down', detail: 'it answered 503', retryAfterMs: 90_000 });
  assert.equal(retryIn(1, 90_000, 0.5, RETRY_LIMITS), 90_000);
  assert.equal(retryIn(1, 1e12, 0.5, RETRY_LIMITS), RETRY_LIMITS.askedMaxMs, 'nobody makes it wait for ever');
  assert.equal(retryIn(50, undefined, 0.5, RETRY_LIMITS), RETRY_LIMITS.maxMs);
  assert.equal(lastsFor(0, RETRY_LIMITS), 24 * 3_600_000);
  assert.equal(lastsFor(1e12, RETRY_LIMITS), RETRY_LIMITS.leastMs);
  assert.equal(lastsFor(-5, RETRY_LIMITS), 24 * 3_600_000);
});

test('a signature is what the Standard Webhooks specification says', () => {
  const secret = hookSecret(new Uint8Array(24).fill(7));
  const headers = signedHeaders(secret, { id: 'hk-a.1', at: 1_700_000_000_999, body: '{"a":1}' });
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const mac = createHmac('sha256', key).update('hk-a.1.1700000000.{"a":1}').digest('base64');
  assert.deepEqual(headers, {
    'webhook-id': 'hk-a.1',
    'webhook-timestamp': '1700000000',
    'webhook-signature': `v1,${mac}`,
  });
});

test('a filter is by type or state, owner and labels', () => {
  const event = { type: 'sandbox', state: 'warned', owner: 'ada', labels: { user_id: '42' } } as const;
  const filter = { events: ['sandbox'], labels: [] };
  assert.ok(isWanted(filter, event));
  assert.ok(isWanted({ ...filter, events: ['sandbox.warned'] }, event));
  assert.ok(!isWanted({ ...filter, events: ['sandbox.failed', 'alert'] }, event));
  assert.ok(isWanted({ ...filter, owner: 'ada', labels: ['user_id=42'] }, event));
  assert.ok(!isWanted({ ...filter, owner: 'bob' }, event));
  assert.ok(!isWanted({ ...filter, labels: ['user_id=43'] }, event));
});

test('nothing that came from a sandbox becomes a mention, a link or a format in Slack', () => {
  const { text } = slackMessage({
    ...{ id: 1, time: '2030-01-01T00:00:00.000Z', type: 'sandbox', subject: 'sb-a', owner: 'ada' },
    ...{ state: 'failed', from: 'starting', reason: 'exit', detail: 'said <!channel> & *loud*', labels: { a: '<b>' } },
  });
  assert.match(
    text,
    /^sandbox sb-a starting → \*failed\* \(exit\): said &lt;!channel&gt; &amp; \u200b\*loud\u200b\* · ada a=&lt;b&gt;$/,
  );
});
