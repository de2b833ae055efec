import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, tempDir } from './kit.ts';

/** A company's registry: TLS, with a certificate of an authority that only the company knows. */
const ADDRESS = '192.0.2.10';
let dir: Awaited<ReturnType<typeof tempDir>>;
const at = (name: string) => join(dir.path, name);

async function authority(name: string): Promise<void> {
  const argv = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [...argv, '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]);
}

before(async () => {
  dir = await tempDir();
  await authority('ours');
  await authority('another');
  const request = [
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-subj',
    '/CN=registry',
  ];
  const signed = [
    '-CA',
    at('ours.pem'),
    '-CAkey',
    at('ours.key'),
    '-days',
    '2',
    '-addext',
    `subjectAltName=IP:${ADDRESS}`,
  ];
  await run('openssl', [...request, '-x509', ...signed, '-keyout', at('registry.key'), '-out', at('registry.pem')]);
});
after(() => dir[Symbol.asyncDispose]());

function pull(env: Readonly<Record<string, string>>): unknown {
  const world = join(import.meta.dirname, 'tls-world.ts');
  const argv = ['--net', process.execPath, '--disable-warning=ExperimentalWarning', world, dir.path, ADDRESS];
  const { NODE_EXTRA_CA_CERTS: _mine, ...rest } = process.env;
  const options = { encoding: 'utf8' as const, env: { ...rest, NODE_TLS_REJECT_UNAUTHORIZED: '', ...env } };
  const { status, stdout, stderr } = spawnSync('/usr/bin/unshare', argv, options);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

test('an image is pulled from a registry whose authority is named to Arc', () => {
  assert.deepEqual(pull({ NODE_EXTRA_CA_CERTS: at('ours.pem') }), { pulled: true });
});

for (const [who, env] of [
  ['nobody named', () => ({})],
  ['is not the one that was named', () => ({ NODE_EXTRA_CA_CERTS: at('another.pem') })],
] as const) {
  test(`a registry of an authority that ${who} is refused, with what to set`, () => {
    const { code, message, hint } = pull(env()) as { code: string; message: string; hint: string };
    assert.equal(code, 'registry_unreachable');
    assert.match(message, /192\.0\.2\.10:[0-9]+: its certificate is not trusted: /);
    assert.match(hint, /NODE_EXTRA_CA_CERTS/);
  });
}
