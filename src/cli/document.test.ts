import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cliDocument } from './document.ts';
import { EXIT } from './exit-codes.ts';
import { COMMANDS } from './table.ts';

test('the reference page is what the commands say of themselves', async () => {
  const page = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8');
  assert.equal(page, await cliDocument(COMMANDS), 'write it again from cliDocument() in src/cli/document.ts');
  for (const code of Object.values(EXIT)) assert.ok(page.includes(`| ${code} |`), `exit code ${code}`);
});
