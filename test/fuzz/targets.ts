import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ArcError, type ErrorCode } from '../../src/contract/errors.ts';
import { parseTemplate } from '../../src/domain/template-document.ts';
import { FACTS_BYTES_MAX, parseFacts } from '../../src/domain/verify/facts.ts';
import { parseHost } from '../../src/edge/host.ts';
import { ProtocolError } from '../../src/edge/upstream/failure.ts';
import { ResponseParser } from '../../src/edge/upstream/response-parser.ts';
import { Fields, FrameReader, WireError } from '../../src/host/helper/wire.ts';
import { readConfig, readManifest } from '../../src/host/images/manifest.ts';
import { parseReference } from '../../src/host/images/reference.ts';
import { unpackFile } from '../../src/host/images/unpack-tar.ts';
import { RECORD_BYTES, RECORD_DATA_BYTES_MAX } from '../../src/host/journal/record.ts';
import { SegmentReader } from '../../src/host/journal/segment-reader.ts';
import { FrameReader as MachineFrames } from '../../src/runtimes/microvm/channel/frames.ts';
import { type TarEntry, tar } from '../integration/images/kit.ts';

/** Everything that reads what strangers send, and what must be so whatever they send. */
export interface Target {
  readonly name: string;
  readonly property: fc.IAsyncPropertyWithHooks<never[]> | fc.IAsyncProperty<unknown>;
}

/** Bytes that are nearly right: a sample with pieces cut out, doubled, changed and noise put in between. */
function nearly(sample: Buffer): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    at: fc.nat(Math.max(0, sample.length - 1)),
    cut: fc.nat(64),
    put: fc.oneof(fc.uint8Array({ maxLength: 32 }), fc.constant(new Uint8Array(sample.subarray(0, 64)))),
  });
  return fc
    .array(edit, { maxLength: 6 })
    .map((edits) =>
      edits.reduce(
        (bytes, { at, cut, put }) =>
          Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(Math.min(bytes.length, at + cut))]),
        sample,
      ),
    );
}

/** Either it is taken, or the error is one of ours and says so. */
async function takenOrRefused(work: () => unknown, ...codes: readonly ErrorCode[]): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ArcError && codes.includes(error.code)) return;
    throw error;
  }
}

const bytesOr = (sample: string | Buffer) =>
  fc.oneof(
    nearly(Buffer.from(sample)),
    fc.uint8Array({ maxLength: 2048 }).map((bytes) => Buffer.from(bytes)),
  );

const TEMPLATE = `name: juice
root: { image: bkimminich/juice-shop }
command: [node, app.js]
env: { A: "1", __proto__: x }
ports: [3000]
ready: { http: /, timeout: 30s }
memory: 256MiB
idle: { hard: 10m, then: frozen }
`;
const DIGEST = `sha256:${'a'.repeat(64)}`;
const MANIFEST = JSON.stringify({
  ...{ schemaVersion: 2, config: { digest: DIGEST, size: 7, mediaType: 'x' } },
  layers: [{ digest: DIGEST, size: 1e6, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }],
});
const CONFIG = JSON.stringify({
  ...{ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [DIGEST] } },
  config: {
    Entrypoint: ['/a'],
    Env: ['A=1', '__proto__=x'],
    ExposedPorts: { '80/tcp': {} },
    User: 'x',
    WorkingDir: '/',
  },
});
const RESPONSE =
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\nhelloHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n';

export const TARGETS: readonly Target[] = [
  target('template documents', bytesOr(TEMPLATE), async (bytes) => {
    const text = bytes.toString('utf8');
    await takenOrRefused(() => parseTemplate(text, 'yaml'), 'invalid_template');
    await takenOrRefused(() => parseTemplate(text, 'json'), 'invalid_template');
    assert.equal(({} as Record<string, unknown>).x, undefined);
  }),
  target('manifests and configurations of images', fc.tuple(bytesOr(MANIFEST), bytesOr(CONFIG)), async ([one, two]) => {
    const platform = { os: 'linux', architecture: 'amd64' };
    await takenOrRefused(() => readManifest(one, platform), 'image_invalid');
    await takenOrRefused(() => readConfig(two, 1), 'image_invalid');
    assert.equal(Object.getPrototypeOf({}), Object.prototype);
  }),
  target('names of images', fc.string({ maxLength: 300 }), async (name) => {
    await takenOrRefused(() => parseReference(name), 'image_invalid', 'invalid_request', 'invalid_template');
  }),
  target('archives', bytesOrTar(), unpacksBeneath),
  target(
    'host names at the edge',
    fc.oneof(fc.string(), bytesOr('8080-sb-abcdefgh.localhost:7780').map(String)),
    async (host) => {
      const found = parseHost(host, 'localhost', new Set(['edge.localhost']));
      if (found.kind !== 'sandbox') return;
      assert.match(found.target.id, /^sb-[a-z2-7]+$/);
      assert.ok(host.toLowerCase().includes(found.target.id), host);
    },
  ),
  target('answers of sandboxes', fc.tuple(bytesOr(RESPONSE), fc.array(fc.nat(200), { maxLength: 8 })), readsAnswers),
  target('records of logs', bytesOr(record('hello')), readsRecords),
  target(
    'frames of the helper',
    bytesOr(Buffer.from([5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 97, 61, 98, 99, 0])),
    async (bytes) => {
      try {
        for (const { payload } of new FrameReader().push(bytes)) new Fields(payload).all('a');
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    },
  ),
  target('frames of machines', fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }), async (pieces) => {
    const reader = new MachineFrames();
    for (const piece of pieces)
      for (const { payload } of reader.push(Buffer.from(piece))) assert.ok(payload.length <= 32_768);
  }),
  target(
    'what an adversary tells',
    bytesOr('env\tPATH\nmount\t1 2 0:3 / / rw - tmpfs x rw\nend\tyes\n'),
    async (bytes) => {
      const facts = parseFacts(bytes.toString('utf8'));
      assert.ok(facts.of('env').length < FACTS_BYTES_MAX);
      assert.deepEqual(
        facts.of('__proto__').filter((fields) => !Array.isArray(fields)),
        [],
      );
    },
  ),
];

function target<T>(name: string, from: fc.Arbitrary<T>, check: (value: T) => Promise<void>): Target {
  return { name, property: fc.asyncProperty(from, check) as fc.IAsyncProperty<unknown> };
}

function bytesOrTar(): fc.Arbitrary<Buffer | readonly TarEntry[]> {
  const part = fc.constantFrom('..', '.', '', 'a', 'b', '.wh.a', '.wh..wh..opq', 'c\nd', 'é', 'x'.repeat(255));
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((list) => list.join('/') || 'x');
  const type = fc.constantFrom('file', 'directory', 'symlink', 'link', 'fifo', 'character-device', 'block-device');
  const entry = fc.record({ name, type, linkname: name, mode: fc.nat(0o7777), uid: fc.nat(70_000) });
  return fc.oneof(
    fc.array(entry, { maxLength: 8 }) as unknown as fc.Arbitrary<readonly TarEntry[]>,
    fc.uint8Array({ maxLength: 2048 }).map((bytes) => Buffer.from(bytes)),
  );
}

const UNPACK = { bytesMax: 1e8, entriesMax: 1000, ratioMax: 250, reserveBytes: 0 };

async function unpacksBeneath(what: Buffer | readonly TarEntry[]): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'arc-fuzz-'));
  try {
    await mkdir(join(home, 'in/into'), { recursive: true });
    const archive = join(home, 'in/into.tar');
    await writeFile(archive, Buffer.isBuffer(what) ? what : await tar(what as TarEntry[]));
    const unpack = () => unpackFile(archive, join(home, 'in/into'), UNPACK, async () => {});
    await takenOrRefused(unpack, 'archive_refused');
    assert.deepEqual([await readdir(home), (await readdir(join(home, 'in'))).sort()], [['in'], ['into', 'into.tar']]);
  } finally {
    await rm(home, { recursive: true });
  }
}

async function readsAnswers([bytes, cuts]: readonly [Buffer, readonly number[]]): Promise<void> {
  const parser = new ResponseParser(8192);
  let given = 0;
  let ended = false;
  const sink = {
    onInformation: () => {},
    onHead: ({ headers }: { readonly headers: readonly string[] }) => {
      for (const text of headers) assert.ok(!/[\r\n\0]/.test(text), 'a header that would begin another line');
    },
    onBody: (part: Buffer) => {
      assert.ok(!ended, 'a body after its end');
      given += part.length;
    },
    onComplete: () => {
      ended = true;
    },
    onUpgrade: () => {},
  };
  parser.begin(sink, 'GET', false);
  try {
    let at = 0;
    for (const cut of [...cuts, bytes.length]) {
      parser.feed(bytes.subarray(at, at + cut));
      at += cut;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  assert.ok(given <= bytes.length);
}

function record(data: string): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES + data.length);
  bytes.writeUInt32LE(0x4a435241, 0);
  bytes.writeUInt32LE(data.length, 4);
  bytes.writeUInt32LE(1, 40);
  let hash = 2_166_136_261;
  for (let i = 0; i < RECORD_BYTES - 4; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 16_777_619);
  bytes.writeUInt32LE(hash >>> 0, 44);
  bytes.write(data, RECORD_BYTES);
  return bytes;
}

async function readsRecords(bytes: Buffer): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'arc-fuzz-'));
  try {
    const path = join(home, 'segment');
    await writeFile(path, bytes);
    await using reader = await SegmentReader.open({ path } as Parameters<typeof SegmentReader.open>[0]);
    for (let count = 0; ; count += 1) {
      const one = await reader.next();
      if (one === undefined) break;
      assert.ok(one.data.length <= RECORD_DATA_BYTES_MAX && count < bytes.length);
    }
  } finally {
    await rm(home, { recursive: true });
  }
}
