import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { openBrowser, openPage, signIn } from './lib/browser.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';

/** Every page of the console for everyone: on a phone, light and dark, and for readers of the screen. */

/** A folder for pictures of the pages, such as docs/images; without it none are made. */
const PICTURES = process.env.CONSOLE_PICTURES;
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 375, height: 740 };

let arc: LaunchedArc;
let browser: Browser;
let axe: string;
let places: readonly (readonly [name: string, path: string])[];
before(async () => {
  // One after the other: what was opened can be closed also where the next one fails.
  browser = await openBrowser();
  arc = await launchArc({ octet: 239 });
  axe = await readFile(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
  const labels = { user_id: '42', course: 'web' };
  const { id } = await arc.client.sandboxes.create({ template: 'vulnerable-notes', ttl: '1h', labels });
  await arc.client.quotas.set('class-7', { running: 40, memory: '4GiB', createdPerMinute: 60 });
  await arc.client.secrets.set('registry-token', 'of no use to anybody');
  const filter = { events: ['sandbox.warned', 'alert'], labels: ['course=web'] };
  await arc.client.hooks.create({ url: 'http://127.0.0.1:9/course', ...filter });
  const { url = '' } = await arc.client.sandboxes.handle(id).link();
  places = [
    ['sandboxes', '/console/'],
    ['create', '/console/new?template=whoami'],
    ['templates', '/console/templates'],
    ['nodes', '/console/nodes'],
    ['queue', '/console/queue'],
    ['owners', '/console/owners'],
    ['secrets', '/console/secrets'],
    ['webhooks', '/console/webhooks'],
    ['alerts', '/console/alerts'],
    ['audit', '/console/audit'],
    ['levels', '/console/levels'],
    ['nowhere', '/console/nowhere'],
    ['guide', '/guide/'],
    ['guide-levels', '/guide/guides/levels.html'],
    ...['overview', 'terminal', 'logs', 'files'].map((tab) => [tab, `/console/sandboxes/${id}?tab=${tab}`] as const),
    ['person', new URL(url).pathname + new URL(url).hash],
  ];
});
after(async () => {
  await browser?.close();
  await arc?.[Symbol.asyncDispose]();
});

type Rules = 'all' | 'colours' | 'all but colours';

/** What axe finds that keeps people from using the page. Run in a world of its own, past the policy of the page. */
async function seriousFaults(page: Page, rules: Rules): Promise<readonly string[]> {
  await page.evaluate(axe);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
  const options =
    rules === 'colours'
      ? { runOnly: ['color-contrast'] }
      : { runOnly: tags, rules: { 'color-contrast': { enabled: rules === 'all' } } };
  const found = (await page.evaluate(
    `axe.run({ exclude: [['iframe'], ['.xterm']] }, ${JSON.stringify({ ...options, resultTypes: ['violations'] })})
      .then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map(({ html }) => html).slice(0, 3) })))`,
  )) as { id: string; impact: string; at: string[] }[];
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, at }) => `${id}: ${at.join(' | ')}`);
}

/** In each size and colour that people have. Which rules depend on what is changed decides what is asked again. */
async function looks(page: Page, name: string): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const [look, colorScheme, size, rules] of [
    ['light', 'light', DESKTOP, 'all'],
    ['dark', 'dark', DESKTOP, 'colours'],
    ['phone', 'light', PHONE, 'all but colours'],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    const found = await seriousFaults(page, rules);
    const wide = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `console-${name}-${look}.png`) });
    faults.push(...found.map((fault) => `${name}, ${look}: ${fault}`));
    if (wide > 0) faults.push(`${name}, ${look}: ${wide} px too wide`);
  }
  await page.setViewportSize(DESKTOP);
  return faults;
}

/** What is still being asked for is there before it is looked at; the feed of events stays open. */
async function whole(page: Page, name: string): Promise<void> {
  await page.waitForSelector(name === 'person' ? '.person' : 'h1, .empty');
  await page.locator('main', { hasText: /Reading…|Measuring…/ }).waitFor({ state: 'detached' });
  if (name === 'terminal' || name === 'person') await page.locator('.xterm-rows', { hasText: '$' }).waitFor();
  if (name === 'person') await page.frameLocator('iframe').getByRole('heading').first().waitFor();
  if (name === 'files') await page.locator('.entry').first().waitFor();
}

test('axe finds nothing serious on any page, in light, in dark and on a phone', async () => {
  const { page, faults } = await openPage(browser, { reducedMotion: 'reduce', bypassCSP: true });
  await page.goto(`${arc.api}/console/`);
  await page.waitForSelector('#key');
  const found = [...(await looks(page, 'sign-in'))];
  await signIn(page, arc.api, arc.key);
  for (const [name, path] of places) {
    await page.goto(arc.api + path);
    await whole(page, name);
    found.push(...(await looks(page, name)));
  }
  assert.deepEqual(found, []);
  assert.deepEqual(faults, []);
  await page.context().close();
});
