import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ArcError, ERRORS } from '../contract/errors.ts';
import { KIT_NEEDS } from '../host/kit/needs.ts';
import { NEEDS, type Need } from '../host/setup/index.ts';
import { prepareHost } from './host-setup.ts';

/** Programs that only the tests need; the same table form as for `arc up`, so that `npm test` is one command on a bare machine. */
const test = (name: string, seenAs: string, packages: string): Need => ({
  name,
  seenAs: [seenAs],
  packages: packages.split(' '),
  purpose: 'is needed by the tests',
  required: true,
  cost: 'its tests can not run',
});
const TEST_NEEDS: readonly Need[] = [
  ...NEEDS.map((need) => ({ ...need, required: true })),
  ...KIT_NEEDS,
  test('runc', 'runc', 'runc'),
  test('a registry', 'docker-registry', 'docker-registry'),
  test('htpasswd', 'htpasswd', 'apache2-utils'),
  test('umoci', 'umoci', 'umoci'),
  test('skopeo', 'skopeo', 'skopeo'),
  test('nginx', 'nginx', 'nginx-light'),
  test('slowhttptest', 'slowhttptest', 'slowhttptest'),
  test('an ACME server', 'pebble', 'pebble'),
  test('OpenSSL', 'openssl', 'openssl'),
  test('Chromium', 'chromium', 'chromium'),
  test('ip', 'ip', 'iproute2'),
  test('QEMU', 'qemu-system-x86_64', 'qemu-system-x86'),
  test('socat', 'socat', 'socat'),
  test('readelf', 'readelf', 'binutils'),
  test('depmod', 'depmod', 'kmod'),
  test('cpio', 'cpio', 'cpio'),
  test('setfattr', 'setfattr', 'attr'),
  test('strace', 'strace', 'strace'),
  test('git', 'git', 'git'),
  test('Prometheus', 'promtool', 'prometheus'),
  test('Alertmanager', 'amtool', 'prometheus-alertmanager'),
];

const ROOT = join(import.meta.dirname, '../..');
const DEFAULT_TESTS = ['src/**/*.test.ts', 'test/**/*.test.ts'];

/** `arc dev test|lint|reference|guide|sbom`: for those who change Arc. */
export async function dev(argv: readonly string[]): Promise<number> {
  const [what, ...rest] = argv;
  if (what === 'test') return await testAll(rest);
  if (what === 'lint') return await program(join(ROOT, 'node_modules/.bin/biome'), ['check', '.']);
  if (what === 'reference') return await writeReference();
  if (what === 'guide') return await guideInto(rest);
  if (what === 'sbom') return await writeSbom(rest);
  throw new ArcError(
    'invalid_request',
    `arc dev ${what ?? ''}: there are \`test\`, \`lint\`, \`reference\`, \`guide\` and \`sbom\``,
  );
}

async function testAll(patterns: readonly string[]): Promise<number> {
  await prepareHost({
    dataDir: join(ROOT, 'node_modules/.cache/arc-setup'),
    mayInstall: true,
    say: (line) => process.stderr.write(`${line}\n`),
    needs: TEST_NEEDS,
  });
  const chosen = patterns.length > 0 ? patterns : DEFAULT_TESTS;
  return await program(process.execPath, ['--disable-warning=ExperimentalWarning', '--test', ...chosen]);
}

/** The pages of docs/reference that are made from the code. */
async function writeReference(): Promise<number> {
  const { errorsPage, generateOpenapi, metricsDocument } = await import('../server/http/index.ts');
  const { configDocument } = await import('./config/index.ts');
  const { cliDocument } = await import('../cli/document.ts');
  const { COMMANDS } = await import('../cli/table.ts');
  const pages = {
    'openapi.json': `${JSON.stringify(await generateOpenapi(), null, 2)}\n`,
    'errors.md': errorsPage(ERRORS),
    'config.md': configDocument(),
    'metrics.md': metricsDocument(),
    'cli.md': await cliDocument(COMMANDS),
  };
  for (const [name, text] of Object.entries(pages)) await writeFile(join(ROOT, 'docs/reference', name), text);
  return 0;
}

/** The guides as a folder of pages, for a web server of one's own. */
async function guideInto([folder]: readonly string[]): Promise<number> {
  if (folder === undefined) throw new ArcError('invalid_request', 'arc dev guide: name the folder to write into');
  const { writeGuide } = await import('./guide/write.ts');
  await writeGuide(resolve(folder));
  return 0;
}

/** The bill of materials of this version, into a file or to the output. */
async function writeSbom([file]: readonly string[]): Promise<number> {
  const { sbomOf } = await import('./sbom.ts');
  // Only `arc kit` installs them; what serves both is said as what every machine gets.
  const forMachines = KIT_NEEDS.map((need) => ({ ...need, required: false }));
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  const text = `${JSON.stringify(sbomOf(lock, [...forMachines, ...NEEDS]), null, 2)}\n`;
  if (file === undefined) process.stdout.write(text);
  else await writeFile(resolve(file), text);
  return 0;
}

function program(path: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: 'inherit', cwd: ROOT });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
