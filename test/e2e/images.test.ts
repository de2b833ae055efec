import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ArcError } from '../../src/sdk/index.ts';
import {
  image,
  push,
  type Registry,
  run,
  startRegistry,
  type TarEntry,
  type TestImage,
  tar,
  tempDir,
  writeLayout,
} from '../integration/images/kit.ts';
import { hostOf, viaEdge } from './lib/fetch.ts';
import { type LaunchedArc, launchArc, runCommand } from './lib/launch.ts';

/** Debian's nginx in an image, pushed to and pulled from a real registry with accounts, and run as it is. */
const ACCOUNT = { username: 'student', password: 'not-a-secret' };
const CAPABILITIES = ['--cap', 'SETUID', '--cap', 'SETGID', '--cap', 'CHOWN', '--cap', 'DAC_OVERRIDE'];
const CONF = `
user www-data;
error_log stderr;
pid /run/nginx.pid;
events { worker_connections 64; }
http { access_log /dev/stdout; server { listen 80; root /srv; } }
`;

let arc: LaunchedArc;
let dir: Awaited<ReturnType<typeof tempDir>>;
let registry: Registry;
let nginx: TestImage;
before(async () => {
  dir = await tempDir();
  registry = await startRegistry(join(dir.path, 'registry'), ACCOUNT);
  nginx = await nginxImage();
  await writeLayout(join(dir.path, 'layout'), nginx);
  await push(join(dir.path, 'layout'), `${registry.host}/web/nginx:1`, ACCOUNT);
  arc = await launchArc({ octet: 205 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const add = (name: string, ref: string, ...more: readonly string[]) =>
  runCommand(
    ['template', 'add', name, '--image', ref, ...more],
    { ARC_DATA_DIR: arc.dataDir },
    more.includes('--password-stdin') ? `${ACCOUNT.password}\n` : '',
  );
const LOGIN = ['--username', ACCOUNT.username, '--password-stdin'];

test('an image pulled by tag with credentials starts as root of its own namespace, drops to www-data and serves port 80', async () => {
  const added = await add('nginx', `${registry.host}/web/nginx:1`, '--port', '80', ...CAPABILITIES, ...LOGIN);
  assert.equal(added.code, 0, added.stderr);
  await using sandbox = await arc.client.sandboxes.create({ template: 'nginx' });
  const answer = await viaEdge(arc.edge, hostOf(sandbox.url));
  assert.equal(answer.status, 200);
  assert.equal(answer.body, 'hello from nginx\n');
  const workers = (await sandbox.processes()).filter(({ command }) => command.includes('worker process'));
  assert.deepEqual([...new Set(workers.map(({ uid }) => uid))], [33]);
  let logged = '';
  for await (const entry of sandbox.logs()) logged += entry.data;
  assert.match(logged, /"GET \/ HTTP\/1\.1" 200/);
});

test('the same image without the capabilities fails, and the error names the line to add', async () => {
  const added = await add(
    'bare',
    `${registry.host}/web/nginx:1`,
    '--port',
    '80',
    '--ready-http',
    '/',
    '--ready-timeout',
    '3s',
    ...LOGIN,
  );
  assert.equal(added.code, 0, added.stderr);
  await assert.rejects(arc.client.sandboxes.create({ template: 'bare' }), (error: ArcError) => {
    assert.equal(error.code, 'capability_missing');
    assert.match(error.hint, /capabilities: \[SETUID, SETGID\]|capabilities: \[CHOWN\]/);
    return true;
  });
});

test('an image is pulled by its digest, and its layers are held once', async () => {
  const ref = `${registry.host}/web/nginx@${nginx.manifest.digest}`;
  const added = await add('pinned', ref, '--port', '80', ...CAPABILITIES, ...LOGIN);
  assert.equal(added.code, 0, added.stderr);
  await using sandbox = await arc.client.sandboxes.create({ template: 'pinned' });
  assert.equal((await viaEdge(arc.edge, hostOf(sandbox.url))).status, 200);
  const layers = await run('find', [join(arc.dataDir, 'layers/sha256'), '-mindepth', '1', '-maxdepth', '1']);
  assert.equal(layers.trim().split('\n').length, 1);
});

test('what the registry refuses or does not have is said, and leaves no template', async () => {
  const denied = await add('denied', `${registry.host}/web/nginx:1`);
  assert.match(denied.stderr, /registry_denied/);
  const missing = await add('missing', `${registry.host}/web/nginx:2`, ...LOGIN);
  assert.match(missing.stderr, /image_not_found/);
  const names = (await arc.client.templates.list()).map(({ name }) => name);
  assert.ok(!names.includes('denied') && !names.includes('missing'));
});

test('prune takes the layers once no template and no sandbox uses them', async () => {
  for (const name of ['nginx', 'bare', 'pinned']) await arc.client.templates.remove(name);
  for await (const { id } of arc.client.sandboxes.list()) await arc.client.sandboxes.remove(id);
  const pruned = await arc.cli('template', 'prune', '--json');
  assert.equal(pruned.code, 0, pruned.stderr);
});

async function nginxImage(): Promise<TestImage> {
  const libraries = (await run('ldd', ['/usr/sbin/nginx'])).matchAll(/(\/\S+) \(0x/g);
  const files = ['/usr/sbin/nginx', ...[...libraries].map(([, path = '']) => path)];
  const folder = (name: string, mode = 0o755): TarEntry => ({ name, type: 'directory', mode });
  const file = (name: string, body: string | Buffer, mode = 0o644): TarEntry => ({ name, body, mode });
  const folders = new Set(['srv', 'run', 'etc', 'dev', 'proc', 'sys', 'var/log/nginx', 'var/lib/nginx']);
  for (const path of files) folders.add(path.slice(1, path.lastIndexOf('/')));
  const whole = [...folders].flatMap((path) => path.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/')));
  const entries: TarEntry[] = [...new Set(whole)].sort().map((name) => folder(name));
  for (const path of files) entries.push(file(path.slice(1), await readFile(path), 0o755));
  entries.push(
    folder('tmp', 0o1777),
    file('etc/passwd', 'root:x:0:0::/:/bin/false\nwww-data:x:33:33::/srv:/bin/false\n'),
    file('etc/group', 'root:x:0:\nwww-data:x:33:\n'),
    file('etc/nginx.conf', CONF),
    file('srv/index.html', 'hello from nginx\n'),
  );
  return image([{ tar: await tar(entries), packing: 'gzip' }], {
    Entrypoint: ['/usr/sbin/nginx'],
    Cmd: ['-c', '/etc/nginx.conf', '-g', 'daemon off;'],
  });
}
