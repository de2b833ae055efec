import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { createImages, type ImagesOptions } from '../../../src/host/images.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { digestOf, image, OCI_INDEX, OCI_MANIFEST, type TestImage, tar, tempDir } from './kit.ts';

const never = new AbortController().signal;
type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

const app = async (flavour: 'oci' | 'docker' = 'oci') =>
  image(
    [
      { packing: 'plain', tar: await tar([{ name: 'a', body: 'x'.repeat(300_000) }]) },
      { packing: 'gzip', tar: await tar([{ name: 'b', body: 'y' }]) },
    ],
    {},
    flavour,
  );

/** A registry that serves one image well, but for what `answer` takes over by returning true. */
async function registry(made: TestImage, answer: Answer = () => false) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push(`${url}${request.headers.range ? ` ${request.headers.range}` : ''}`);
    if (answer(request, response)) return;
    const what = url.slice(url.lastIndexOf('/') + 1);
    const blob = url.includes('/manifests/') ? made.manifest : made.blobs.find(({ digest }) => digest === what);
    response.statusCode = blob ? 200 : 404;
    response.setHeader('content-type', url.includes('/manifests/') ? OCI_MANIFEST : 'application/octet-stream');
    response.end(blob?.bytes ?? '{"errors":[{"code":"UNKNOWN","message":"no such thing"}]}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    name: `127.0.0.1:${port}/app:v1`,
    port,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const imagesIn = (dataDir: string, more: Partial<ImagesOptions> = {}) =>
  createImages({ dataDir, logger: silentLogger, clock: realClock, stallMs: 300, limits: { reserveBytes: 0 }, ...more });

async function refused(made: TestImage, answer: Answer, expected: { code: string; message?: RegExp }) {
  await using data = await tempDir();
  await using server = await registry(made, answer);
  await assert.rejects(imagesIn(data.path).pull({ image: server.name, signal: never }), expected);
  for (const folder of ['tmp', 'sha256']) {
    const left = await readdir(join(data.path, 'layers', folder)).catch(() => []);
    assert.ok(folder === 'sha256' ? left.length < 2 : left.length === 0, `${folder}: ${left}`);
  }
  return server.asked;
}

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_request, response) => {
    response.writeHead(code, headers).end();
    return true;
  };
const onBlob =
  (made: TestImage, index: number, answer: Answer): Answer =>
  (request, response) =>
    (request.url?.endsWith(made.blobs[index]?.digest ?? '?') ?? false) && answer(request, response);

test('Docker schema 2 and an index of platforms are read, and the digest is that of what the name stands for', async () => {
  const made = await app('docker');
  const entry = (architecture: string, digest: string) => ({
    mediaType: OCI_MANIFEST,
    digest,
    size: made.manifest.bytes.length,
    platform: { os: 'linux', architecture },
  });
  const entries = [entry('riscv64', `sha256:${'0'.repeat(64)}`), entry('amd64', made.manifest.digest)];
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries }));
  const asTag: Answer = (request, response) => {
    if (!request.url?.endsWith('/v1')) return false;
    response.setHeader('content-type', OCI_INDEX).end(index);
    return true;
  };
  await using data = await tempDir();
  await using server = await registry(made, asTag);
  const linux = { os: 'linux', architecture: 'amd64' };
  const pulled = await imagesIn(data.path, { platform: linux }).pull({ image: server.name, signal: never });
  assert.equal(pulled.digest, digestOf(index));
  assert.deepEqual(pulled.root, { kind: 'layers', digests: made.diffIds });
  const other = imagesIn(data.path, { platform: { os: 'linux', architecture: 's390x' } });
  await assert.rejects(other.pull({ image: server.name, signal: never }), {
    code: 'image_invalid',
    message: /linux\/s390x; there is: linux\/riscv64, linux\/amd64/,
  });
});

test('a registry that hangs before or in the middle of an answer is given up', async () => {
  const made = await app();
  const expected = { code: 'registry_unreachable', message: /nothing for 300 ms/ };
  await refused(made, () => true, expected);
  const half: Answer = (_request, response) => {
    response.writeHead(200, { 'content-length': '99' });
    return response.write('{') || true;
  };
  await refused(
    made,
    (request, response) => (request.url?.includes('/manifests/') ?? false) && half(request, response),
    expected,
  );
  await refused(made, onBlob(made, 1, half), expected);
  const silent: Answer = (_request, response) => {
    response.writeHead(200);
    response.flushHeaders();
    return true;
  };
  await refused(made, onBlob(made, 1, silent), expected);
});

test('nobody listening, errors, rate limits and redirect loops are registry_unreachable', async () => {
  const made = await app();
  await using data = await tempDir();
  const server = await registry(made);
  await server[Symbol.asyncDispose]();
  const pull = imagesIn(data.path).pull({ image: server.name, signal: never });
  await assert.rejects(pull, { code: 'registry_unreachable', message: /ECONNREFUSED/ });
  await refused(made, status(500), { code: 'registry_unreachable', message: /status 500/ });
  await refused(made, status(429), { code: 'registry_unreachable', message: /too many requests/ });
  await refused(made, status(307, { location: '/again' }), {
    code: 'registry_unreachable',
    message: /more than 5 times/,
  });
  await refused(made, status(404), { code: 'image_not_found' });
});

test('a wrong digest of manifest, configuration, layer or unpacked layer is image_digest_mismatch', async () => {
  const made = await app();
  const other = Buffer.from('something else');
  const instead: Answer = (_request, response) => {
    response.end(other);
    return true;
  };
  const expected = { code: 'image_digest_mismatch' };
  await refused(made, onBlob(made, 0, instead), expected);
  await refused(made, onBlob(made, 1, instead), expected);
  const flipped = Buffer.from(made.blobs[1]?.bytes ?? '');
  flipped[600] = 1;
  await refused(
    made,
    onBlob(made, 1, (_request, response) => Boolean(response.end(flipped))),
    expected,
  );
  const longer = Buffer.concat([made.blobs[1]?.bytes ?? other, other]);
  await refused(
    made,
    onBlob(made, 1, (_request, response) => Boolean(response.end(longer))),
    expected,
  );

  await using data = await tempDir();
  await using server = await registry(made);
  const byDigest = { image: server.name.replace(':v1', `@sha256:${'1'.repeat(64)}`), signal: never };
  await assert.rejects(imagesIn(data.path).pull(byDigest), expected);

  const lying = image([{ packing: 'plain', tar: await tar([{ name: 'a', body: 'a' }]) }]);
  const config = JSON.parse(String(lying.blobs[0]?.bytes)) as { rootfs: { diff_ids: string[] } };
  config.rootfs.diff_ids = [`sha256:${'2'.repeat(64)}`];
  const bytes = Buffer.from(JSON.stringify(config));
  const manifest = String(lying.manifest.bytes)
    .replace(lying.blobs[0]?.digest ?? '', digestOf(bytes))
    .replace(/"size":\d+/, `"size":${bytes.length}`);
  const changed: TestImage = {
    ...lying,
    manifest: { digest: digestOf(Buffer.from(manifest)), bytes: Buffer.from(manifest) },
    blobs: [{ digest: digestOf(bytes), bytes }, ...lying.blobs.slice(1)],
  };
  await refused(changed, () => false, { code: 'image_digest_mismatch', message: /its image says/ });
});

test('a transfer that breaks off goes on where it was', async () => {
  const made = await app();
  const whole = made.blobs[1]?.bytes ?? Buffer.alloc(0);
  for (const ranges of [true, false]) {
    const answer = onBlob(made, 1, (request, response) => {
      const from = ranges ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
      if (!request.headers.range) {
        response.writeHead(200, { 'content-length': String(whole.length) });
        response.write(whole.subarray(0, 100_000), () => setImmediate(() => response.destroy()));
        return true;
      }
      response.writeHead(ranges ? 206 : 200).end(whole.subarray(from));
      return true;
    });
    await using data = await tempDir();
    await using server = await registry(made, answer);
    const { root } = await imagesIn(data.path).pull({ image: server.name, signal: never });
    assert.deepEqual(root, { kind: 'layers', digests: made.diffIds });
    assert.ok(server.asked.some((line) => /bytes=[1-9]/.test(line)));
  }
});

test('a token is fetched with the credentials, goes to the registry and to nobody else', async () => {
  const made = await app();
  const seen: string[] = [];
  await using storage = await registry(made, (request) => {
    seen.push(`storage ${request.headers.authorization ?? 'nothing'}`);
    return false;
  });
  const answer: Answer = (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    const proof = request.headers.authorization;
    if (url.pathname === '/token') {
      seen.push(`token ${proof} ${url.searchParams.get('scope')}`);
      response.end('{"token":"T"}');
    } else if (proof !== 'Bearer T') {
      const realm = `http://${request.headers.host}/token`;
      response
        .writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:app:pull"` })
        .end();
    } else if (url.pathname.includes('/blobs/')) {
      response.writeHead(307, { location: `http://127.0.0.1:${storage.port}${url.pathname}` }).end();
    } else return false;
    return true;
  };
  await using server = await registry(made, answer);
  await using data = await tempDir();
  const credentials = { username: 'u', password: 'p' };
  await imagesIn(data.path).pull({ image: server.name, credentials, signal: never });
  assert.equal(seen[0], `token Basic ${Buffer.from('u:p').toString('base64')} repository:app:pull`);
  assert.deepEqual([...new Set(seen.slice(1))], ['storage nothing']);
});

test('a registry can not send us to plain HTTP out there, to other schemes or in circles of tokens', async () => {
  const made = await app();
  const lands = [
    'http://169.254.169.254/latest/',
    'http://registry.example/',
    'ftp://127.0.0.1/',
    'http://u:p@127.0.0.1/',
  ];
  for (const location of lands) {
    await refused(made, status(302, { location }), { code: 'registry_unreachable', message: /refused/ });
  }
  const realm = (to: string) => status(401, { 'www-authenticate': `Bearer realm="${to}"` });
  await refused(made, realm('http://169.254.169.254/token'), { code: 'registry_unreachable', message: /refused/ });
  await refused(made, realm('nonsense'), { code: 'registry_unreachable' });
  await refused(made, status(401), { code: 'registry_denied' });
  await refused(made, status(403), { code: 'registry_denied' });
});

test('what is no image is image_invalid, with the reason', async () => {
  const made = await app();
  const manifest =
    (body: unknown): Answer =>
    (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
      return true;
    };
  const config = { digest: made.blobs[0]?.digest, size: 1 };
  for (const [body, message] of [
    ['<html>', /not JSON/],
    [[], /not an object/],
    [{ schemaVersion: 1 }, /obsolete/],
    [{ schemaVersion: 2, config, layers: [] }, /no layers/],
    [{ schemaVersion: 2, config, layers: Array(200).fill(config) }, /more than 128/],
    [{ schemaVersion: 2, config, layers: [{ digest: 'sha256:../../x', size: 1 }] }, /no sha256 digest/],
    [{ schemaVersion: 2, config, layers: [config] }, /1 layers/],
    ['x'.repeat(5 * 1024 * 1024), /larger than/],
  ] as const) {
    await refused(made, manifest(body), { code: 'image_invalid', message });
  }
});

test('a pull that is called off ends at once and leaves nothing', async () => {
  const made = await app();
  const control = new AbortController();
  await using server = await registry(
    made,
    onBlob(made, 1, (_request, response) => {
      response.writeHead(200).write('x');
      setImmediate(() => control.abort(new Error('called off')));
      return true;
    }),
  );
  await using data = await tempDir();
  const pull = imagesIn(data.path, { stallMs: 60_000 }).pull({ image: server.name, signal: control.signal });
  await assert.rejects(pull, /called off/);
  assert.deepEqual(await readdir(join(data.path, 'layers/tmp')), []);
});
