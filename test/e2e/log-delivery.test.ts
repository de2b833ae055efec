import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type Client,
  client,
  fetchTransport,
  type LogEntry,
  type Sandbox,
  type Transport,
} from '../../src/sdk/index.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';

/** A flood of lines to many readers at once: whoever asked for all of them has all, in order, however it reads. */
const LINES = 100_000;
const FLOOD = `mkfifo /tmp/go; read word < /tmp/go; seq -f 'line %07.0f' 1 ${LINES}; exec sleep infinity`;
const EXPECTED = Array.from({ length: LINES }, (_, at) => `line ${String(at + 1).padStart(7, '0')}\n`).join('');
const FOLLOWERS = 5;
/** Bytes after which a connection of those who lose theirs breaks: more than one entry, and within lines of JSON. */
const CUTS = [90_001, 150_023, 250_007];

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 162 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

async function flooding(name: string, logs: string): Promise<Sandbox> {
  const { template } = await arc.client.templates.get('shell');
  const log = { logs, logRate: '64MiB' };
  await arc.client.templates.add({ ...template, ...log, name, command: ['sh', '-c', FLOOD] });
  return await arc.client.sandboxes.create({ template: name });
}

async function begin(sandbox: Sandbox): Promise<void> {
  const { code } = await sandbox.exec(['sh', '-c', 'until [ -p /tmp/go ]; do :; done; echo go > /tmp/go']);
  assert.equal(code, 0);
}

interface Read {
  readonly text: string;
  readonly seqs: readonly number[];
}

/** Until the last line has come. */
async function readAll(entries: AsyncIterable<LogEntry>): Promise<Read> {
  const parts: string[] = [];
  const seqs: number[] = [];
  let end = '';
  for await (const { seq, stream, data } of entries) {
    assert.equal(stream, 'stdout', data);
    seqs.push(seq);
    parts.push(data);
    end = (end + data).slice(-16);
    if (end.endsWith(`line ${LINES}\n`.replace(' ', ' 0'))) break;
  }
  return { text: parts.join(''), seqs };
}

/** A client whose connections each break after so many bytes; `broken` counts how often one did. */
function losing(bytes: number, broken: { count: number }): Client {
  const transport: Transport = async (request) => {
    const response = await fetchTransport(request);
    if (!request.url.includes('/logs')) return response;
    return { ...response, header: response.header, cancel: response.cancel, body: cut(response.body) };
  };
  async function* cut(body: AsyncIterable<Uint8Array>) {
    let left = bytes;
    for await (const chunk of body) {
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left > 0) continue;
      broken.count += 1;
      throw new Error('the cable was pulled');
    }
  }
  // At once: what is tested is where it goes on, and not how long it waits.
  return client({ url: arc.api, key: arc.key, transport, wait: async () => {} });
}

/** Takes nothing beyond its first entry until `go`. */
async function* slowly(entries: AsyncIterable<LogEntry>, go: Promise<unknown>): AsyncGenerator<LogEntry> {
  for await (const entry of entries) {
    yield entry;
    await go;
  }
}

test(`${LINES} lines at full speed reach ten readers whole and in order, one of them slow and three losing their connections`, async (t) => {
  await using sandbox = await flooding('flood', '64MiB');
  const follow = (from: Client) => from.sandboxes.handle(sandbox.id).logs({ follow: true, signal: t.signal });
  const broken = CUTS.map(() => ({ count: 0 }));
  const quick = Array.from({ length: FOLLOWERS }, () => readAll(follow(arc.client)));
  const reconnecting = CUTS.map((bytes, at) => readAll(follow(losing(bytes, broken[at] ?? { count: 0 }))));
  const others = Promise.all([...quick, ...reconnecting]);
  const slow = readAll(slowly(follow(arc.client), others));
  const began = performance.now();
  await begin(sandbox);
  const reads = [...(await others), await slow, await readAll(sandbox.logs())];
  t.diagnostic(`${((performance.now() - began) / 1_000).toFixed(1)} s for ${reads.length} readers`);
  t.diagnostic(`connections lost: ${broken.map(({ count }) => count).join(', ')}`);
  assert.equal(reads.length, 10);
  assert.ok(broken.every(({ count }) => count > 2));
  for (const [reader, { text, seqs }] of reads.entries()) {
    assert.ok(text === EXPECTED, `reader ${reader} has every line once, in order; it has ${text.length} bytes`);
    const gaps = seqs.filter((seq, at) => seq !== at + 1);
    assert.deepEqual(gaps.slice(0, 3), [], `reader ${reader} has every number`);
  }
});

test('of a log that is too small for it a reader is told how much is missing, to the byte', async (t) => {
  await using sandbox = await flooding('small-log', '256KiB');
  const whole = readAll(sandbox.logs({ follow: true, signal: t.signal })).catch(() => {});
  await begin(sandbox);
  await whole;
  let [missing, kept] = [0, ''];
  for await (const { stream, data, droppedBytes = 0 } of sandbox.logs()) {
    missing += droppedBytes;
    if (stream === 'stdout') kept += data;
  }
  assert.ok(missing > 0 && EXPECTED.endsWith(kept));
  assert.equal(missing + kept.length, EXPECTED.length);
});
