import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type LaunchedArc, launchArc } from './lib/launch.ts';

/** The examples that the guides show, run as their readers would run them. */

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'examples/sdk');

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 227 });
});
after(async () => {
  await arc?.[Symbol.asyncDispose]();
});

async function example(name: string): Promise<string> {
  const env = { ...process.env, ARC_URL: arc.api, ARC_API_KEY: arc.key };
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(FOLDER, name)], { env });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => said.push(data));
  const code = await new Promise((resolve) => child.once('close', resolve));
  const text = Buffer.concat(said).toString('utf8');
  assert.equal(code, 0, text);
  return text;
}

test('the playground shows what the code prints, and ends what takes too long', async () => {
  assert.match(await example('playground.ts'), /^0\n1\n4\n\(it ended with 0\)\n\(it took too long\)\n$/);
});

test('the agent gets the results of its steps, failures too, and loses its network when it needs none', async () => {
  const said = await example('agent.ts');
  assert.match(said, /^exit 0: 42\nexit 1: ModuleNotFoundError: .*\n\d+ connections opened, \d+ refused\n$/);
});

test('the lab gives each student a link, and clears up after the lesson', async () => {
  const said = await example('lab.ts');
  assert.match(said, /^ada: http\S+\ngrace: http\S+\n/);
  assert.match(said, /^ada: running, stops 20/m);
});

test('the watcher is told of each state, and reads the log', async () => {
  const said = await example('watch.ts');
  for (const state of ['queued', 'starting', 'running', 'removed']) assert.match(said, new RegExp(`is ${state} `));
  assert.match(said, /^1 std(out|err) \S/m);
});

test('nothing of them is left, and the guides show them as they are', async () => {
  for await (const { state, id } of arc.client.sandboxes.list()) assert.equal(state, 'removed', id);
  const guides = readdirSync(join(ROOT, 'docs/guides')).map((name) => join(ROOT, 'docs/guides', name));
  const shown = guides.filter((path) => path.endsWith('.md')).map((path) => readFileSync(path, 'utf8'));
  for (const name of readdirSync(FOLDER)) {
    const code = readFileSync(join(FOLDER, name), 'utf8');
    assert.ok(
      shown.some((text) => text.includes(`\`\`\`ts\n${code}\`\`\``)),
      `no guide shows ${name} as it is`,
    );
  }
});
