import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/**
 * A Vite dev server (npm's) in a sandbox, its page in headless Chromium through the edge, and a change of a file seen in
 * the page without a reload: HTTP, module requests and the WebSocket of hot reload all go through one host name.
 */
const MODULES = join(import.meta.dirname, '../../node_modules');
/** What Vite needs of node_modules, found by following its dependencies. */
const CHROMIUM_FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 203 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

test('a Vite dev server hot-reloads in Chromium through the edge', async () => {
  await using sandbox = await arc.client.sandboxes.create({
    template: 'node',
    memory: '512MiB',
    disk: '512MiB',
    pids: 512,
  });
  await sandbox.exec(['mkdir', '-p', '/srv/app/node_modules']);
  for (const folder of await vitePackages()) {
    const parent = join('/srv/app/node_modules', folder, '..');
    await sandbox.exec(['mkdir', '-p', parent]);
    const copied = await arc.cli('cp', join(MODULES, folder), `${sandbox.id}:${parent}`);
    assert.equal(copied.code, 0, copied.stderr);
  }
  await sandbox.files.write('/srv/app/index.html', '<p id=text></p><script type=module src=/main.js></script>');
  await sandbox.files.write('/srv/app/package.json', '{"type":"module"}');
  await sandbox.files.write(
    '/srv/app/main.js',
    `import { text } from './text.js';
     window.loads = (window.loads ?? 0) + 1;
     document.querySelector('#text').textContent = text;
     import.meta.hot.accept('./text.js', (next) => { document.querySelector('#text').textContent = next.text; });`,
  );
  await sandbox.files.write('/srv/app/text.js', `export const text = 'first';`);
  const session = await sandbox.spawn(
    ['node', 'node_modules/vite/bin/vite.js', '--host', '0.0.0.0', '--port', '5173', '--strictPort'],
    { cwd: '/srv/app', env: { __VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS: '.localhost' } },
  );
  let printed = '';
  const reading = (async () => {
    for await (const chunk of session.output) printed += Buffer.from(chunk.data).toString();
  })().catch(() => {});
  await until('Vite is ready', async () => printed.includes('ready in'), 20_000).catch((cause) => {
    throw new Error(`Vite did not get ready: ${printed}`, { cause });
  });

  const profile = await mkdtemp(join(tmpdir(), 'arc-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    args: CHROMIUM_FLAGS,
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://5173-${sandbox.id}.localhost:${new URL(arc.edge).port}/`);
    await page.waitForFunction(`document.querySelector('#text').textContent === 'first'`);
    await page.evaluate('window.marker = 1');
    await sandbox.files.write('/srv/app/text.js', `export const text = 'second';`);
    await page.waitForFunction(`document.querySelector('#text').textContent === 'second'`, undefined, {
      timeout: 30_000,
    });
    assert.equal(await page.evaluate('window.marker'), 1, 'the page was not loaded again');
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
    session.leave();
    await reading;
  }
});

/** Folders of node_modules that Vite needs, itself included: a walk over dependencies and installed optional ones. */
async function vitePackages(): Promise<readonly string[]> {
  const { readFile } = await import('node:fs/promises');
  const found = new Set<string>();
  const visit = async (name: string): Promise<void> => {
    if (found.has(name)) return;
    const text = await readFile(join(MODULES, name, 'package.json'), 'utf8').catch(() => undefined);
    if (text === undefined) return;
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(text) as Record<string, Record<string, string>>;
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) await visit(next);
  };
  await visit('vite');
  return [...found];
}
