import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { openBrowser, openPage } from './lib/browser.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** The console without a mouse: whatever is clicked elsewhere is reached by Tab and done by a key here. */

let arc: LaunchedArc;
let browser: Browser;
before(async () => {
  browser = await openBrowser();
  arc = await launchArc({ octet: 241 });
});
after(async () => {
  await browser?.close();
  await arc?.[Symbol.asyncDispose]();
});

const WAIT_MS = 120_000;
/** More stops than any page has. */
const TABS_MAX = 80;

/** What has the focus, as a reader of the screen would say it. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(`(() => {
    const at = document.activeElement;
    const label = at?.getAttribute('aria-label') ?? at?.labels?.[0]?.textContent ?? at?.textContent ?? '';
    return (at?.tagName ?? '').toLowerCase() + ' ' + label.trim().replace(/\\s+/g, ' ');
  })()`);

/** Goes on with Tab until this has the focus, and sees to it that one can see where one is. */
async function tabTo(page: Page, what: RegExp): Promise<void> {
  const seen: string[] = [];
  for (let tabs = 0; tabs < TABS_MAX; tabs++) {
    await page.keyboard.press('Tab');
    const at = await focused(page);
    if (what.test(at)) {
      const outline = await page.evaluate(`(() => {
        const style = getComputedStyle(document.activeElement);
        return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
      })()`);
      assert.ok(outline, `${at} has the focus and does not show it`);
      return;
    }
    seen.push(at);
  }
  assert.fail(`Tab never came to ${what}: ${seen.join(' > ')}`);
}

test('one signs in, creates, extends, types in the terminal, finds and removes with the keyboard alone', async () => {
  const { page, faults } = await openPage(browser);
  await page.goto(`${arc.api}/console/`);
  await page.waitForSelector('#key');
  if (!/^input/.test(await focused(page))) await tabTo(page, /^input/);
  await page.keyboard.type(arc.key);
  await page.keyboard.press('Enter');
  await page.getByText('No sandboxes yet').waitFor();

  await tabTo(page, /^a Create$/);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#field-template');
  await tabTo(page, /^select Template/);
  // Typed once: a browser takes what follows quickly for more of the same word.
  await page.locator('#field-template option', { hasText: 'shell' }).waitFor({ state: 'attached' });
  await page.keyboard.type('shell');
  assert.equal(await page.inputValue('#field-template'), 'shell');
  await tabTo(page, /^input Time to live/);
  await page.keyboard.type('10m');
  await page.keyboard.press('Enter');
  await page.locator('.head .badge.running').waitFor();
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? '';

  await tabTo(page, /^button Add 30 min/);
  await page.keyboard.press('Space');
  await until(
    'there is more time',
    async () => /^(40:00|39:\d\d)$/.test(await page.locator('.big .countdown').innerText()),
    WAIT_MS,
  );

  await tabTo(page, /^a Terminal$/);
  await page.keyboard.press('Enter');
  await page.locator('.xterm-rows', { hasText: '#' }).waitFor();
  if (!/^textarea/.test(await focused(page))) await tabTo(page, /^textarea/);
  await page.keyboard.type('echo by hand > /tmp/mark\n');
  const sandbox = arc.client.sandboxes.handle(id);
  await until(
    'it is written',
    async () => (await sandbox.files.readText('/tmp/mark').catch(() => '')) === 'by hand\n',
    WAIT_MS,
  );

  await page.goto(`${arc.api}/console/`);
  await page.locator('.line', { hasText: id }).waitFor();
  await page.keyboard.press('/');
  assert.match(await focused(page), /^input Search sandboxes/);
  await page.keyboard.type(id);
  await tabTo(page, new RegExp(id));
  await page.keyboard.press('Enter');
  await page.locator('h1', { hasText: id }).waitFor();
  await tabTo(page, /^button Remove$/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  // Closed without doing anything, the focus is where it was.
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'button Remove');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await tabTo(page, /^button Remove$/);
  await page.keyboard.press('Enter');
  await page.getByText('No sandboxes yet').waitFor();
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('nobody is caught in the terminal: a key leads out of it', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'shell' });
  const { page } = await openPage(browser);
  await page.goto(`${arc.api}/console/`);
  await page.fill('#key', arc.key);
  await page.keyboard.press('Enter');
  await page.waitForSelector('nav[aria-label=Pages]');
  await page.goto(`${arc.api}/console/sandboxes/${sandbox.id}?tab=terminal`);
  await page.locator('.xterm-rows', { hasText: '#' }).waitFor();
  await page.locator('.xterm-helper-textarea').focus();
  assert.match(await focused(page), /Shift\+F6 leaves the terminal/);
  await page.keyboard.press('Shift+F6');
  assert.match(await focused(page), /^input Search in the terminal/);
  await page.context().close();
});
