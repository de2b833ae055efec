import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';

/** What the tests of images are made with: archives, OCI layouts, and Debian's docker-registry on a port of its own. */

export type TarEntry = Partial<Header> & { readonly name: string; readonly body?: string | Buffer };

export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { body, ...header } of entries)
    archive.entry({ mtime: new Date(1_700_000_000_000), ...header }, body ?? '');
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface TestImage {
  readonly manifest: Blob;
  readonly blobs: readonly Blob[];
  readonly diffIds: readonly string[];
}

export type Packing = 'gzip' | 'zstd' | 'plain';
const packers: Record<Packing, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gzipSync(bytes),
  zstd: (bytes) => zstdCompressSync(bytes),
  plain: (bytes) => bytes,
};
const suffix: Record<Packing, string> = { gzip: '+gzip', zstd: '+zstd', plain: '' };

const blobOf = (bytes: Buffer): Blob => ({ digest: digestOf(bytes), bytes });

/** @param flavour the media types of OCI or of Docker's schema 2 */
export function image(
  layers: readonly { readonly tar: Buffer; readonly packing: Packing }[],
  config: Record<string, unknown> = {},
  flavour: 'oci' | 'docker' = 'oci',
): TestImage {
  const packed = layers.map(({ tar: bytes, packing }) => blobOf(packers[packing](bytes)));
  const diffIds = layers.map(({ tar: bytes }) => digestOf(bytes));
  const configBlob = blobOf(
    Buffer.from(
      JSON.stringify({ architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: diffIds } }),
    ),
  );
  const oci = flavour === 'oci';
  const manifest = blobOf(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: oci ? OCI_MANIFEST : 'application/vnd.docker.distribution.manifest.v2+json',
        config: {
          mediaType: oci
            ? 'application/vnd.oci.image.config.v1+json'
            : 'application/vnd.docker.container.image.v1+json',
          digest: configBlob.digest,
          size: configBlob.bytes.length,
        },
        layers: packed.map((blob, index) => ({
          mediaType: oci
            ? `application/vnd.oci.image.layer.v1.tar${suffix[layers[index]?.packing ?? 'plain']}`
            : 'application/vnd.docker.image.rootfs.diff.tar.gzip',
          digest: blob.digest,
          size: blob.bytes.length,
        })),
      }),
    ),
  );
  return { manifest, blobs: [configBlob, ...packed], diffIds };
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

/** An OCI layout folder, which is what skopeo pushes from. */
export async function writeLayout(dir: string, made: TestImage): Promise<void> {
  await mkdir(join(dir, 'blobs/sha256'), { recursive: true });
  for (const { digest, bytes } of [...made.blobs, made.manifest]) {
    await writeFile(join(dir, 'blobs/sha256', digest.slice(7)), bytes);
  }
  await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const entry = { mediaType: OCI_MANIFEST, digest: made.manifest.digest, size: made.manifest.bytes.length };
  await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
}

export async function run(program: string, argv: readonly string[], input?: string): Promise<string> {
  const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  // A program that ends without reading breaks the pipe; its exit code says what matters.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${argv.join(' ')} ended with ${code}: ${err}`);
  return out;
}

export async function tempDir(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'arc-images-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
}

const START_MS = 10_000;

export interface Tls {
  /** Address of this machine that it listens on. */
  readonly address: string;
  readonly certificate: string;
  readonly key: string;
}

/** Debian's docker-registry with a configuration, storage and (if asked for) accounts and TLS of its own. */
export async function startRegistry(
  dir: string,
  account?: { username: string; password: string },
  tls?: Tls,
): Promise<Registry> {
  const host = `${tls?.address ?? '127.0.0.1'}:${await freePort()}`;
  const files = tls ? `, tls: {certificate: ${tls.certificate}, key: ${tls.key}}` : '';
  await mkdir(join(dir, 'storage'), { recursive: true });
  const lines = [
    'version: 0.1',
    'log: {level: error}',
    `storage: {filesystem: {rootdirectory: ${join(dir, 'storage')}}}`,
    `http: {addr: "${host}"${files}}`,
  ];
  if (account) {
    const line = await run('htpasswd', ['-niB', account.username], account.password);
    await writeFile(join(dir, 'htpasswd'), line, { mode: 0o600 });
    lines.push(`auth: {htpasswd: {realm: test, path: ${join(dir, 'htpasswd')}}}`);
  }
  await writeFile(join(dir, 'config.yml'), `${lines.join('\n')}\n`);
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], { stdio: 'ignore' });
  const ended = once(child, 'close');
  const deadline = performance.now() + START_MS;
  while (!(await answers(`http://${host}/v2/`))) {
    if (performance.now() > deadline || child.exitCode !== null) throw new Error('docker-registry did not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    async (response) => {
      await response.body?.cancel();
      return true;
    },
    () => false,
  );

export async function push(
  layout: string,
  ref: string,
  account?: { username: string; password: string },
): Promise<void> {
  const login = account ? ['--dest-creds', `${account.username}:${account.password}`] : [];
  await run('skopeo', [
    'copy',
    '--quiet',
    '--insecure-policy',
    '--preserve-digests',
    '--dest-tls-verify=false',
    ...login,
    `oci:${layout}`,
    `docker://${ref}`,
  ]);
}
