import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Harness, startApi, until } from './harness.ts';

async function withSandbox(): Promise<{ h: Harness; path: string }> {
  const h = await startApi();
  return { h, path: `/v1/sandboxes/${h.sandboxes.put('alice').id}/logs` };
}

function seqs(text: string): number[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { seq: number }).seq);
}

test('logs are lines of JSON, from where they are asked for and at most so many', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  for (const text of ['a', 'b', 'c', 'd']) h.sandboxes.parts.journal.add(text);
  const read = async (query: string) => seqs(await (await h.call('GET', path + query)).text());
  assert.deepEqual(await read(''), [1, 2, 3, 4]);
  assert.deepEqual(await read('?since=2'), [3, 4]);
  assert.deepEqual(await read('?tail=1'), [4]);
  assert.deepEqual(await read('?since=99'), []);
  for (const query of ['?since=-1', '?since=x', '?tail=9999999', '?follow=perhaps', '?lines=3']) {
    assert.equal((await h.call('GET', path + query)).status, 400, query);
  }
});

test('logs of a sandbox that has ended are there still', async () => {
  const { h } = await withSandbox();
  await using _ = h;
  h.sandboxes.parts.journal.add('last words');
  const { id } = h.sandboxes.put('alice', { state: 'stopped', reason: 'exit' });
  assert.deepEqual(seqs(await (await h.call('GET', `/v1/sandboxes/${id}/logs`)).text()), [1]);
});

test('as server-sent events they have their sequence numbers as ids, and Last-Event-ID resumes exactly', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { journal } = h.sandboxes.parts;
  journal.add('a');
  journal.add('b\nc');
  journal.end();
  const response = await h.call('GET', path, { headers: { accept: 'text/event-stream', 'last-event-id': '1' } });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const blocks = (await response.text()).split('\n\n').filter((block) => block !== '');
  assert.equal(blocks[0], 'retry: 1000');
  assert.match(blocks[1] ?? '', /^id: 2\ndata: \{.*"data":"b\\nc".*\}$/);
  assert.equal(blocks[2], 'event: end\ndata: {}');
  const odd = await h.call('GET', path, { headers: { accept: 'text/event-stream', 'last-event-id': 'x' } });
  assert.equal(odd.status, 400);
});

test('following goes on with what comes, and ends with the client', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { journal } = h.sandboxes.parts;
  journal.add('a');
  const gone = new AbortController();
  const response = await h.call('GET', `${path}?follow=true`, { signal: gone.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.deepEqual(seqs((await reader?.read())?.value ?? ''), [1]);
  journal.add('b');
  assert.deepEqual(seqs((await reader?.read())?.value ?? ''), [2]);
  gone.abort();
  await until(() => journal.readers === 0, 'the reader to be let go');
});

test('headers arrive before the first entry', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  for (const accept of ['text/event-stream', 'application/x-ndjson']) {
    const gone = new AbortController();
    const response = await h.call('GET', `${path}?follow=true`, { headers: { accept }, signal: gone.signal });
    assert.equal(response.status, 200);
    gone.abort();
  }
  await until(() => h.sandboxes.parts.journal.readers === 0, 'the readers to be let go');
});

test('a reader who does not read stops the reading of the journal, and nobody else', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { journal } = h.sandboxes.parts;
  const chunk = 'x'.repeat(65_536);
  for (let at = 0; at < 2_000; at += 1) journal.add(chunk);
  const gone = new AbortController();
  await h.call('GET', path, { signal: gone.signal });
  let before = -1;
  await until(async () => {
    const same = journal.read === before;
    before = journal.read;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return same;
  }, 'the reading to stop');
  assert.ok(before < 1_900, `${before} of 2000 entries were read ahead`);
  assert.equal((await h.call('GET', '/v1/sandboxes')).status, 200);
  gone.abort();
  await until(() => journal.readers === 0, 'the reader to be let go');
});
