import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import type { AccessToken } from '../../../src/contract/schemas/access.ts';
import { Event, Sandbox, SandboxList } from '../../../src/contract/schemas/sandbox.ts';
import { startApi, until } from './harness.ts';

const isSandbox = Compile(Sandbox);

test('create answers 201 with the whole sandbox once it runs', async () => {
  const h = await startApi();
  await using _ = h;
  const response = await h.call('POST', '/v1/sandboxes', { json: { template: 'whoami', labels: { user_id: '42' } } });
  assert.equal(response.status, 201);
  const body: unknown = await response.json();
  assert.ok(isSandbox.Check(body), JSON.stringify(isSandbox.Errors(body)));
  assert.equal(response.headers.get('location'), `/v1/sandboxes/${body.id}`);
  assert.equal(body.url, `http://${body.id}.localhost:7780`);
  assert.deepEqual(body.urls, { 8080: body.url, 9090: `http://9090-${body.id}.localhost:7780` });
  assert.equal(body.expiresReason, 'ttl');
  assert.deepEqual(body.stops, { at: '2027-01-15T08:15:00.000Z', why: 'hard-limit', then: 'frozen' });
  assert.equal(body.memory, '64MiB');
  assert.equal(h.sandboxes.creates[0]?.options.waitMs, 30_000);
});

test('create with wait=0 answers 202 at once with the state and the place in the queue', async () => {
  const h = await startApi();
  await using _ = h;
  const response = await h.call('POST', '/v1/sandboxes?wait=0', { json: { template: 'whoami' } });
  assert.equal(response.status, 202);
  const body: unknown = await response.json();
  assert.ok(isSandbox.Check(body), JSON.stringify(isSandbox.Errors(body)));
  assert.equal(body.state, 'queued');
  assert.equal(body.queuePosition, 3);
  assert.equal(h.sandboxes.creates[0]?.options.waitMs, 0);
});

test('create hands on the wait and the idempotency key, and refuses those that are none', async () => {
  const h = await startApi();
  await using _ = h;
  const json = { template: 'whoami' };
  await h.call('POST', '/v1/sandboxes?wait=1m30s', { json, headers: { 'idempotency-key': 'order-17' } });
  assert.equal(h.sandboxes.creates[0]?.options.waitMs, 90_000);
  assert.equal(h.sandboxes.creates[0]?.options.idempotencyKey, 'order-17');
  for (const wait of ['11m', '-1s', 'soon', '5']) {
    assert.equal((await h.call('POST', `/v1/sandboxes?wait=${wait}`, { json })).status, 400, wait);
  }
  const odd = await h.call('POST', '/v1/sandboxes', { json, headers: { 'idempotency-key': 'a b' } });
  assert.equal(odd.status, 400);
  assert.equal(h.sandboxes.creates.length, 1);
});

test('a client that goes away while its sandbox is made aborts the create', async () => {
  const h = await startApi();
  await using _ = h;
  h.sandboxes.hang = true;
  const gone = new AbortController();
  const asking = h.call('POST', '/v1/sandboxes', { json: { template: 'whoami' }, signal: gone.signal });
  asking.catch(() => {});
  await until(() => h.sandboxes.creates.length === 1, 'the create to arrive');
  gone.abort();
  await assert.rejects(asking);
  await until(() => h.sandboxes.creates[0]?.options.signal.aborted === true, 'the create to be aborted');
  assert.deepEqual(h.logged, [], 'it is no error of ours');
});

test('a finished create does not abort its signal', async () => {
  const h = await startApi();
  await using _ = h;
  const response = await h.call('POST', '/v1/sandboxes', { json: { template: 'whoami' } });
  await response.json();
  assert.equal((await h.call('GET', '/v1/sandboxes')).status, 200);
  assert.equal(h.sandboxes.creates[0]?.options.signal.aborted, false);
});

test('list filters by labels, state and template, page by page', async () => {
  const h = await startApi();
  await using _ = h;
  for (let at = 0; at < 5; at += 1) h.sandboxes.put('alice', { labels: { user_id: String(at % 2), app: 'x' } });
  h.sandboxes.put('alice', {
    state: 'stopped',
    reason: 'exit',
    exit: { code: 3, signal: null, oom: false, at: 1_800_000_000_000 },
  });
  const list = async (query: string) => {
    const response = await h.call('GET', `/v1/sandboxes${query}`);
    const body: unknown = await response.json();
    assert.ok(Compile(SandboxList).Check(body), `${query} ${JSON.stringify(body)}`);
    return body;
  };
  assert.equal((await list('')).items.length, 6);
  assert.equal((await list('?label=user_id=0')).items.length, 3);
  assert.equal((await list('?label=user_id=0&label=app')).items.length, 3);
  assert.equal((await list('?label=user_id=0&label=app=y')).items.length, 0);
  const [stopped] = (await list('?state=stopped')).items;
  assert.deepEqual(stopped?.exit, { code: 3, signal: null, oom: false, at: '2027-01-15T08:00:00.000Z' });
  assert.equal((await list('?template=other')).items.length, 0);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(`?limit=2${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
    assert.ok(page.items.length <= 2);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  assert.equal(new Set(seen).size, 6);
  assert.equal((await h.call('GET', '/v1/sandboxes?cursor=nonsense')).status, 400);
});

test('get, extend, restart, reset and delete work on one sandbox', async () => {
  const h = await startApi();
  await using _ = h;
  const { id } = h.sandboxes.put('alice');
  const ask = async (method: string, path: string, json?: unknown) => {
    const response = await h.call(method, `/v1/sandboxes/${id}${path}`, json === undefined ? {} : { json });
    const body: unknown = await response.json();
    assert.ok(isSandbox.Check(body), JSON.stringify(body));
    return { status: response.status, body };
  };
  assert.equal((await ask('GET', '')).body.id, id);
  assert.equal((await ask('POST', '/extend', { by: '30m' })).body.expiresAt, '2027-01-15T08:30:00.000Z');
  assert.equal((await ask('POST', '/restart')).body.incarnation, 2);
  const reset = await ask('POST', '/reset?wait=0');
  assert.deepEqual([reset.status, reset.body.state], [202, 'starting']);
  assert.equal((await ask('POST', '/reset')).status, 200);
  assert.equal((await ask('DELETE', '')).body.state, 'removed');
  assert.equal((await h.call('GET', `/v1/sandboxes/${id}`)).status, 410);
  assert.equal((await h.call('POST', `/v1/sandboxes/${id}/extend`, { json: { by: '0' } })).status, 400);
});

test('stats and processes are shown for one, and stats for all that run', async () => {
  const h = await startApi();
  await using _ = h;
  const { id } = h.sandboxes.put('alice');
  h.sandboxes.put('alice', { state: 'stopped' });
  h.sandboxes.put('bob');
  const one = (await (await h.call('GET', `/v1/sandboxes/${id}/stats`)).json()) as Record<string, unknown>;
  assert.equal(one.memoryLimitBytes, 64 * 1024 ** 2);
  const all = (await (await h.call('GET', '/v1/stats')).json()) as { items: { id: string }[] };
  assert.deepEqual(
    all.items.map((stats) => stats.id),
    [id],
  );
  const processes = (await (await h.call('GET', `/v1/sandboxes/${id}/processes`)).json()) as {
    items: { pid: number }[];
  };
  assert.equal(processes.items[0]?.pid, 1);
});

test('events go on from the id they were cut at, and only show what the caller may see', async () => {
  const h = await startApi();
  await using _ = h;
  h.sandboxes.put('alice');
  h.sandboxes.put('bob');
  h.sandboxes.put('alice');
  const gone = new AbortController();
  const response = await h.call('GET', '/v1/events?since=0', { signal: gone.signal });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const reader = sse(response);
  const ids = [await reader.next(), await reader.next(), await reader.next()].map(({ id }) => id);
  // The first says from where it goes on.
  assert.deepEqual(ids, [0, 1, 3]);
  h.sandboxes.put('alice');
  const live = await reader.next();
  assert.equal(live.id, 4);
  assert.ok(Compile(Event).Check(live.data));
  gone.abort();
  await until(() => h.sandboxes.waiters.size === 0, 'the reader of events to be let go');
  const again = new AbortController();
  const resumed = sse(await h.call('GET', '/v1/events', { headers: { 'last-event-id': '3' }, signal: again.signal }));
  assert.deepEqual([(await resumed.next()).id, (await resumed.next()).id], [3, 4]);
  again.abort();
});

/** Reads server-sent events one at a time. */
function sse(response: Response): { next(): Promise<{ id: number; data: unknown }> } {
  const chunks = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    async next() {
      for (;;) {
        const end = text.indexOf('\n\n');
        if (end >= 0) {
          const block = text.slice(0, end);
          text = text.slice(end + 2);
          const id = /^id: (.*)$/m.exec(block)?.[1];
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (id !== undefined && data !== undefined) return { id: Number(id), data: JSON.parse(data) as unknown };
          continue;
        }
        const read = await chunks?.read();
        if (read === undefined || read.done) throw new Error('the stream ended');
        text += read.value;
      }
    },
  };
}

test('an access token comes with the address it opens and when it expires; its bounds are kept', async () => {
  const h = await startApi();
  await using _ = h;
  const made: unknown = await (await h.call('POST', '/v1/sandboxes', { json: { template: 'whoami' } })).json();
  assert.ok(isSandbox.Check(made));
  const { id } = made;
  const token = async (json: object) => {
    const response = await h.call('POST', `/v1/sandboxes/${id}/tokens`, { json });
    return { status: response.status, body: (await response.json()) as AccessToken };
  };
  const whole = await token({});
  assert.equal(whole.status, 200);
  assert.equal(whole.body.url, `http://${id}.localhost:7780/?arc-token=${whole.body.token}`);
  assert.ok(whole.body.token.startsWith(`${id}/all/`));
  assert.match(
    (await token({ port: 9090 })).body.url,
    new RegExp(`^http://9090-${id}\\.localhost:7780/\\?arc-token=.*/9090/`),
  );
  for (const json of [{ ttl: '0' }, { ttl: '500ms' }, { ttl: '400d' }, { port: 0 }, { port: 70_000 }, { other: 1 }]) {
    assert.equal((await token(json)).status, 400, JSON.stringify(json));
  }
});
