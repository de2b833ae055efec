import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { lineTo, openBrowser, openPage, signIn } from './lib/browser.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** The console in a real browser, against the real server and real sandboxes. */

let arc: LaunchedArc;
let browser: Browser;
before(async () => {
  // One after the other: what was opened can be closed also where the next one fails.
  browser = await openBrowser();
  arc = await launchArc({ octet: 225 });
});
after(async () => {
  await browser?.close();
  await arc?.[Symbol.asyncDispose]();
});

const WAIT_MS = 120_000;
const lineCount = (page: Page): Promise<number> => page.locator('.table .body .line').count();
const screenOf = (page: Page): Promise<string> => page.locator('.xterm-rows:visible').innerText();
const shows = (page: Page, text: string | RegExp) =>
  until(
    `the terminal shows ${text}`,
    async () => {
      const shown = (await screenOf(page)).replaceAll('\u00a0', ' ');
      return typeof text === 'string' ? shown.includes(text) : text.test(shown);
    },
    WAIT_MS,
  );

async function onTab(tab: string, id: string, api = arc.api, key = arc.key) {
  const watched = await openPage(browser);
  await signIn(watched.page, api, key);
  await watched.page.goto(`${api}/console/sandboxes/${id}?tab=${tab}`);
  return watched;
}

test('a wrong key is told so, the right one signs in and stays signed in', async () => {
  const { page, faults } = await openPage(browser);
  await page.goto(`${arc.api}/console/`);
  await page.fill('#key', 'arc_nobodysecretatallnobody');
  await page.click('button[type=submit]');
  await page.getByRole('alert').getByText('not known').waitFor();
  await page.fill('#key', arc.key);
  await page.click('button[type=submit]');
  await page.getByText('No sandboxes yet').waitFor();
  await page.reload();
  await page.getByText('No sandboxes yet').waitFor();
  const cookies = await page.context().cookies();
  assert.deepEqual(
    cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite]),
    [[true, 'Strict']],
  );
  assert.equal(await page.evaluate('document.cookie'), '');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForSelector('#key');
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('a sandbox made with the form is seen in another window as it happens, and its removal too', async () => {
  const [{ page, faults }, other] = [await openPage(browser), await openPage(browser)];
  await signIn(page, arc.api, arc.key);
  await signIn(other.page, arc.api, arc.key);
  await other.page.getByText('No sandboxes yet').waitFor();
  await page.getByRole('link', { name: 'Create', exact: true }).click();
  await page.selectOption('#field-template', 'whoami');
  await page.fill('#field-ttl', 'soon');
  await page.fill('#field-labels', 'user_id=42\ncourse=web');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('alert').getByText('Time to live').waitFor();
  await page.fill('#field-ttl', '10m');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.locator('.head .badge.running').waitFor();
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? '';
  await other.page.locator('.line', { hasText: id }).locator('.badge.running').waitFor();

  // How long it has is counted down, and a click gives more.
  const left = page.locator('.big .countdown');
  assert.match(await left.innerText(), /^(10:00|9:\d\d)$/);
  const before = await left.innerText();
  await until('the time moves', async () => (await left.innerText()) !== before, WAIT_MS);
  await page.getByRole('button', { name: 'Add 30 min' }).click();
  await until('there is more time', async () => /^(40:00|39:\d\d)$/.test(await left.innerText()), WAIT_MS);
  await page.locator('.steps').getByText('ready').waitFor();
  await page.locator('.chart').nth(3).waitFor();

  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await other.page.getByText('No sandboxes yet').waitFor();
  assert.deepEqual([...faults, ...other.faults], []);
  await page.context().close();
  await other.page.context().close();
});

test('a terminal runs a full-screen program and is the same shell after a lost connection, a reload and a new server', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'shell' });
  await using line = await lineTo(arc.api);
  const { page, faults } = await onTab('terminal', sandbox.id, line.url);
  await shows(page, '#');
  await page.keyboard.type('stty size; echo $((6*7)) $$ > /tmp/shell; cat /tmp/shell\n');
  await shows(page, /\n?\d{2} \d{2,3}\n/);
  const pid = /^42 (\d+)/m.exec(await sandbox.files.readText('/tmp/shell'))?.[1];
  await shows(page, `42 ${pid}`);
  await page.keyboard.type('vi /tmp/note\n');
  await shows(page, '~');
  await page.keyboard.type('ifrom vi');
  await page.keyboard.press('Escape');
  await page.keyboard.type(':wq\n');
  await until(
    'the file is written',
    async () => {
      const text = await sandbox.files.readText('/tmp/note').catch(() => '');
      return text === 'from vi\n';
    },
    WAIT_MS,
  );

  const sameShell = async (turn: string) => {
    await until(
      `connected after ${turn}`,
      async () => page.locator('.state', { hasText: /^Connected$/ }).isVisible(),
      WAIT_MS,
    );
    await page.locator('.xterm-helper-textarea').focus();
    await until(
      `typing reaches the shell after ${turn}`,
      async () => {
        await page.keyboard.type(`echo $$ > /tmp/${turn}\n`);
        const text = await sandbox.files.readText(`/tmp/${turn}`).catch(() => '');
        return text.trim() === pid;
      },
      WAIT_MS,
    );
  };
  line.cut();
  await sameShell('cut');
  await page.reload();
  await sameShell('reload');
  await arc.kill();
  await page.getByText('The connection was lost').waitFor();
  arc = await arc.again();
  await sameShell('restart');
  await page.getByRole('button', { name: 'Open another terminal' }).click();
  await page.getByRole('tab', { name: 'Terminal 2' }).waitFor();
  await until('two shells', async () => (await sandbox.execs()).filter(({ exit }) => !exit).length === 2, WAIT_MS);
  assert.deepEqual(
    faults.filter((fault) => !fault.includes('WebSocket')),
    [],
  );
  await page.context().close();
});

test('logs are followed through a restart of the server without a lost or doubled line, and are searched', async () => {
  await using sandbox = await arc.client.sandboxes.create({
    template: 'shell',
    command: [
      ...['/bin/bash', '-c'],
      'for i in $(seq 200); do echo "line $i."; done; until test -e /tmp/go; do sleep 0.1; done;' +
        'for i in $(seq 201 400); do echo "line $i."; sleep 0.02; done; echo done; sleep 600',
    ],
  });
  const { page } = await onTab('logs', sandbox.id);
  await page.locator('.log').getByText('line 200.', { exact: true }).waitFor();
  await sandbox.files.write('/tmp/go', '');
  await arc.kill();
  arc = await arc.again();
  await page.locator('.log').getByText('done', { exact: true }).waitFor();
  const lines = new Map<number, string>();
  await page.getByLabel('Follow').uncheck();
  for (let top = 0; top <= 401 * 21; top += 300) {
    await page.evaluate(`document.querySelector('.log.scroll').scrollTop = ${top}`);
    const seen = (await page.evaluate(
      `new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(
        [...document.querySelectorAll('.log .line')].map((l) => [parseInt(l.style.top), l.lastChild.textContent])))))`,
    )) as [number, string][];
    for (const [at, text] of seen) lines.set(at / 21, text);
  }
  const wanted = [...Array.from({ length: 400 }, (_, i) => `line ${i + 1}.`), 'done'];
  assert.deepEqual(
    [...lines].sort(([a], [b]) => a - b).map(([, text]) => text),
    wanted,
  );
  await page.getByLabel('Search the log').fill('line 123.');
  await page.locator('.log .found', { hasText: 'line 123.' }).waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download' }).click(),
  ]);
  assert.equal(await readFile(await download.path(), 'utf8'), wanted.map((text) => `${text}\n`).join(''));
  await page.context().close();
});

test('files are brought, changed and taken', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'shell' });
  const { page, faults } = await onTab('files', sandbox.id);
  await page.getByRole('button', { name: 'tmp', exact: true }).click();
  await page.getByText('This folder is empty').waitFor();
  await page.setInputFiles('input[type=file]', {
    name: 'hello.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('hello'),
  });
  // What is typed before the file is there would be lost to it.
  const read = Promise.withResolvers<void>();
  const slow = /\/files\?path=[^&]*hello\.txt$/;
  await page.route(slow, async (route) => {
    await read.promise;
    await route.continue();
  });
  await page.getByRole('button', { name: 'hello.txt', exact: true }).click();
  await page.getByLabel('Content').waitFor();
  assert.equal(await page.getByLabel('Content').isEditable(), false);
  read.resolve();
  await page.getByLabel('Content').fill('hello, changed');
  await page.unroute(slow);
  await page.getByRole('button', { name: 'Save' }).click();
  await until(
    'it is saved',
    async () => (await sandbox.files.readText('/tmp/hello.txt')) === 'hello, changed',
    WAIT_MS,
  );
  await page.keyboard.press('Escape');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download hello.txt' }).click(),
  ]);
  assert.equal(await readFile(await download.path(), 'utf8'), 'hello, changed');
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('nothing that a sandbox prints acts in the page', async () => {
  const hostile =
    '\\033]0;owned\\007\\033]2;owned\\007\\033]52;c;b3duZWQ=\\007<img src=x onerror=window.owned=1><script>window.owned=1</script>' +
    '\\033]8;;javascript:window.owned=1\\007click\\033]8;;\\007 \\033[2J\\033[31mred end\\n';
  await using sandbox = await arc.client.sandboxes.create({
    template: 'shell',
    command: ['/bin/bash', '-c', `printf '${hostile}'; sleep 600`],
  });
  const { page, faults } = await onTab('logs', sandbox.id);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const line = page.locator('.log .line').first();
  await until('the line is shown as text', async () => (await line.innerText()).includes('<img src=x'), WAIT_MS);
  assert.match(await line.innerText(), /click red end$/);
  await page.goto(`${arc.api}/console/sandboxes/${sandbox.id}?tab=terminal`);
  await shows(page, '#');
  await page.keyboard.type(`printf '${hostile}'\n`);
  await shows(page, 'red end');
  await page.locator('.xterm-screen').click({ position: { x: 30, y: 8 } });
  assert.equal(await page.evaluate('window.owned'), undefined);
  assert.doesNotMatch(await page.title(), /owned/);
  assert.notEqual(await page.evaluate('navigator.clipboard.readText()'), 'owned');
  assert.equal(page.context().pages().length, 1);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('a page of a sandbox can neither read, frame, act on nor sign out the console', async () => {
  const attack = `<script>(async () => {
    const api = ${JSON.stringify(arc.api)}; const found = {};
    const tried = async (name, act) => { try { found[name] = await act(); } catch (error) { found[name] = 'refused'; } };
    document.cookie = 'arc_session' + new URL(api).port + '=aaaa; path=/; domain=127.0.0.1';
    document.cookie = 'arc_session' + new URL(api).port + '=aaaa; path=/; domain=localhost';
    const options = { credentials: 'include' };
    await tried('read', async () => (await fetch(api + '/v1/session', options)).status);
    await tried('list', async () => (await fetch(api + '/v1/sandboxes', options)).status);
    await tried('create', async () => (await fetch(api + '/v1/sandboxes', { ...options, method: 'POST', mode: 'no-cors', body: '{"template":"whoami"}' })).type);
    await tried('out', async () => (await fetch(api + '/v1/session', { ...options, method: 'DELETE' })).status);
    await tried('socket', () => new Promise((yes, no) => { const s = new WebSocket(api.replace('http', 'ws') + '/v1/sandboxes/x/logs'); s.onopen = () => yes('open'); s.onerror = no; }));
    const frame = document.createElement('iframe'); frame.src = api + '/console/';
    await new Promise((done) => { frame.onload = done; document.body.append(frame); });
    await tried('frame', async () => frame.contentDocument.title);
    window.found = found;
  })();</script>`;
  await using sandbox = await arc.client.sandboxes.create({ template: 'python' });
  await sandbox.files.write('/tmp/index.html', `<!doctype html><body>${attack}</body>`);
  await sandbox.spawn(['python3', '-m', 'http.server', '8081', '-d', '/tmp']);
  const { page } = await openPage(browser);
  await signIn(page, arc.api, arc.key);
  await page.locator('.line', { hasText: sandbox.id }).waitFor();
  const count = await lineCount(page);
  const evil = await page.context().newPage();
  const url = `http://8081-${sandbox.id}.localhost:${new URL(arc.edge).port}/`;
  await until('the page is served', async () => (await evil.goto(url))?.status() === 200, WAIT_MS);
  await evil.waitForFunction('window.found', undefined, { timeout: WAIT_MS });
  const found = (await evil.evaluate('window.found')) as Record<string, unknown>;
  for (const [name, result] of Object.entries(found)) {
    // A request that could be sent without being read answers nothing; what it came to is seen below.
    if (name === 'create') assert.ok(result === 'opaque' || result === 'refused');
    else assert.equal(result, 'refused', name);
  }
  await page.reload();
  await page.locator('.line', { hasText: sandbox.id }).waitFor();
  assert.equal(await lineCount(page), count);
  await page.context().close();
});

test('a person with a link and no key has the app, a terminal and the logs, more time, and a fresh start', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'vulnerable-notes', ttl: '10m' });
  const { stdout } = await arc.cli('link', sandbox.id);
  const { page, faults } = await openPage(browser);
  await page.goto(stdout.trim());
  await page.frameLocator('iframe').getByRole('heading', { name: 'Notes', exact: true }).waitFor();
  await shows(page, '$');
  await page.keyboard.type('echo here > /tmp/mark\n');
  await until(
    'it is written',
    async () => (await sandbox.files.readText('/tmp/mark').catch(() => '')) === 'here\n',
    WAIT_MS,
  );
  await page.getByRole('button', { name: 'Extend' }).click();
  await until(
    'there is more time',
    async () => /^(30:00|29:\d\d)/.test(await page.locator('.countdown').innerText()),
    WAIT_MS,
  );
  await page.getByRole('tab', { name: 'Logs' }).click();
  await page.locator('.log .line').first().waitFor();
  await page.getByRole('button', { name: 'Reset' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reset' }).click();
  await until('it begins afresh', async () => (await sandbox.refresh()).incarnation === 2, WAIT_MS);
  await page.locator('header .badge.running').waitFor();
  await assert.rejects(sandbox.files.readText('/tmp/mark'));
  assert.deepEqual(await page.context().cookies(arc.api), []);
  await arc.cli('link', sandbox.id, '--revoke', (await sandbox.links())[0]?.id ?? '');
  await page.reload();
  await page.getByText('This is over').waitFor();
  assert.deepEqual(
    faults.filter((fault) => !fault.includes('WebSocket')),
    [],
  );
  await page.context().close();
});
