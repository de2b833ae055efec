import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { openBrowser, openPage, signIn } from './lib/browser.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** What an operator does in the console: owners, secrets, webhooks, alerts. */

let arc: LaunchedArc;
let browser: Browser;
before(async () => {
  browser = await openBrowser();
  arc = await launchArc({ octet: 165 });
});
after(async () => {
  await browser?.close();
  await arc?.[Symbol.asyncDispose]();
});

/** Signed in as the operator, at one page. */
async function at(path: string) {
  const watched = await openPage(browser);
  await signIn(watched.page, arc.api, arc.key);
  await watched.page.goto(`${arc.api}/console/${path}`);
  return watched;
}

test('a quota is set, seen beside what is used of it, changed, and taken back', async () => {
  const { page, faults } = await at('owners');
  await page.getByRole('button', { name: 'Set a quota' }).click();
  await page.fill('#quota-owner', 'class-7');
  await page.fill('#quota-running', '40');
  await page.fill('#quota-memory', '4GiB');
  // Enter in a field is enough.
  await page.press('#quota-memory', 'Enter');
  const row = page.getByRole('row', { name: /class-7/ });
  await row.getByText('of 40').waitFor();
  assert.deepEqual((await arc.client.quotas.get('class-7')).own, { running: 40, memory: '4GiB' });
  await row.getByRole('button', { name: 'Change the quota of class-7' }).click();
  assert.equal(await page.inputValue('#quota-memory'), '4GiB');
  await page.fill('#quota-running', 'none');
  await page.getByRole('button', { name: 'Set', exact: true }).click();
  await row.getByText('of 40').waitFor({ state: 'detached' });
  assert.deepEqual((await arc.client.quotas.get('class-7')).own, { running: 'none', memory: '4GiB' });
  await row.getByRole('button', { name: 'Remove the quota of class-7' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await row.waitFor({ state: 'detached' });
  assert.equal((await arc.client.quotas.get('class-7')).own, undefined);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('a secret is set, listed by its name only, and removed', async () => {
  const { page, faults } = await at('secrets');
  await page.fill('#secret-name', 'registry-token');
  await page.fill('#secret-value', 'hunter2-hunter2');
  await page.getByRole('button', { name: 'Set the secret' }).click();
  const row = page.getByRole('row', { name: /registry-token/ });
  await row.waitFor();
  assert.ok(!(await page.content()).includes('hunter2'), 'the value is nowhere in the page');
  await row.getByRole('button', { name: 'Remove registry-token' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('No secrets').waitFor();
  assert.deepEqual(await arc.client.secrets.list(), []);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('a webhook shows its secret once, what it delivered and what it could not', async (t) => {
  let status = 200;
  const receiver = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status).end());
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    receiver.close();
    receiver.closeAllConnections();
  });
  const address = receiver.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/course`;
  const { page, faults } = await at('webhooks');
  await page.getByRole('button', { name: 'Add a webhook' }).click();
  await page.fill('#hook-url', url);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  assert.match(await page.inputValue('#hook-secret'), /^whsec_/);
  await page.getByRole('button', { name: 'I have it' }).click();
  await page.getByRole('button', { name: /^Test the webhook/ }).click();
  await page.getByText(/It works/).waitFor();
  const { id } = await arc.client.sandboxes.create({ template: 'whoami' });
  await until('all changes were taken', async () => (await arc.client.hooks.list())[0]?.delivered === 3);
  status = 500;
  await arc.client.sandboxes.remove(id);
  await page.getByText('Last deliveries').click();
  await page.getByRole('row', { name: /sandbox\.running.*taken/ }).waitFor();
  await page
    .getByRole('row', { name: /sandbox\.removed.*down.*it answered 500/ })
    .first()
    .waitFor();
  await page.getByText('Only those that were not taken').click();
  await page.getByRole('row', { name: /sandbox\.running/ }).waitFor({ state: 'detached' });
  const [hook] = await arc.client.hooks.list();
  const log = await arc.cli('hook', 'log', hook?.id ?? '', '--failed');
  assert.match(log.stdout, /sandbox\.removed +sb-\S+ +down .*it answered 500/);
  await page.getByRole('button', { name: /^Remove the webhook/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('Nothing is sent anywhere').waitFor();
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('alerts say from which limits on they are told, and whose key is no admin is not led there', async () => {
  const { page, faults } = await at('alerts');
  await page.getByText('All is well').waitFor();
  await page.getByRole('row', { name: /disk-low.*less than 10 %/ }).waitFor();
  const { secret } = await arc.client.keys.create({ name: 'reader', owner: 'ada', scopes: ['sandboxes:read'] });
  const other = await openPage(browser);
  await signIn(other.page, arc.api, secret);
  const names = await other.page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts();
  assert.ok(!names.some((name) => /Owners|Webhooks|Alerts|Audit/.test(name)), names.join());
  assert.deepEqual(faults, []);
  for (const one of [page, other.page]) await one.context().close();
});
