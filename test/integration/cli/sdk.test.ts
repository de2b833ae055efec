import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client } from '../../../src/sdk/index.ts';
import { type Harness, startApi, until } from '../api/harness.ts';

/** As in a browser: only fetch and the global WebSocket. */
const connect = (api: Harness) => client({ url: api.base, key: api.alice });

test('a command is followed over the global WebSocket: output apart, input in order, exit', async () => {
  await using api = await startApi();
  await using sandbox = await connect(api).sandboxes.create({ template: 'whoami' });
  await using session = await sandbox.spawn(['cat'], { env: { A: '1' } });
  const big = Buffer.alloc(1_500_000, 'x');
  void session.write('first ');
  void session.write(big);
  void session.closeStdin();
  let got = '';
  for await (const { stream, data } of session.output) {
    assert.equal(stream, 'stdout');
    got += Buffer.from(data).toString();
  }
  assert.equal(got, `first ${big}`);
  assert.equal((await session.exit).code, 0);
});

test('a command is run to its end with its output and input', async () => {
  await using api = await startApi();
  const sandbox = await connect(api).sandboxes.create({ template: 'whoami' });
  const { stdout, code } = await sandbox.exec(['cat'], { stdin: 'in ü' });
  assert.deepEqual([stdout, code], ['in ü', 0]);
  await assert.rejects(sandbox.exec(['missing']), { code: 'command_not_found' });
  await assert.rejects(sandbox.spawn(['missing']), { code: 'command_not_found' });
});

test('a refused WebSocket is told with its reason', async () => {
  await using api = await startApi();
  const arc = connect(api);
  await assert.rejects(arc.sandboxes.handle('sb-zzzz').spawn(['x']), { code: 'sandbox_not_found' });
  const { id } = api.sandboxes.put('alice', { state: 'stopped', reason: 'exit' });
  await assert.rejects(arc.sandboxes.handle(id).spawn(['x']), { code: 'wrong_state' });
  await assert.rejects(client({ url: api.base, key: 'no' }).sandboxes.handle(id).spawn(['x']), {
    code: 'unauthorized',
  });
  await assert.rejects(client({ url: 'http://127.0.0.1:1', key: 'k' }).sandboxes.handle(id).spawn(['x']), {
    code: 'not_connected',
  });
});

test('a program that is left goes on and can be joined again by its id', async () => {
  await using api = await startApi();
  const sandbox = await connect(api).sandboxes.create({ template: 'whoami' });
  const first = await sandbox.terminal({ cols: 80, rows: 24 });
  const [program] = api.sandboxes.parts.execs;
  assert.ok(program);
  await first.write('hello');
  for await (const { data } of first.output) {
    assert.equal(Buffer.from(data).toString(), 'hello');
    break;
  }
  first.leave();
  await assert.rejects(first.exit, { code: 'not_connected' });
  await until(() => program.left === 1, 'the server to see it leave');
  await using again = await sandbox.join(first.id);
  await again.resize(100, 30);
  await until(() => program.sizes.at(-1) === '100x30', 'the size');
  program.end({ code: 4 });
  assert.equal((await again.drain()).code, 4);
});

test('files are written, read, listed, packed and removed over fetch', async () => {
  await using api = await startApi();
  const { files } = await connect(api).sandboxes.create({ template: 'whoami' });
  assert.equal(await files.makeFolder('/a/b', { parents: true }), true);
  assert.equal(await files.makeFolder('/a/b'), false);
  await files.write('/a/b/f', 'text ü', { mode: 0o600 });
  await files.write(
    '/a/g',
    (async function* () {
      yield new TextEncoder().encode('one ');
      yield new TextEncoder().encode('two');
    })(),
  );
  assert.equal(await files.readText('/a/b/f'), 'text ü');
  assert.equal(await files.readText('/a/g'), 'one two');
  assert.equal((await files.stat('/a/b/f')).mode, 0o600);
  assert.deepEqual(
    (await files.list('/a')).map(({ name }) => name),
    ['b', 'g'],
  );
  await files.writeTar('/copy', files.readTar('/a'));
  assert.equal(await files.readText('/copy/b/f'), 'text ü');
  assert.equal((await files.resolve('/copy')).type, 'dir');
  await files.remove('/a', { recursive: true });
  await assert.rejects(files.readText('/a/g'), { code: 'file_not_found' });
});

test('templates are added with their progress, and events and keys are there', async () => {
  await using api = await startApi();
  const arc = client({ url: api.base, key: api.admin });
  const phases: string[] = [];
  const view = await arc.templates.add(
    { name: 'x', root: { image: 'y' } },
    { onProgress: ({ phase }) => phases.push(phase) },
  );
  assert.equal(view.name, 'x');
  assert.ok(phases.length > 0);
  const key = await arc.keys.create({ name: 'ci', owner: 'ci', scopes: ['sandboxes:read'] });
  assert.match(key.secret, /^arc_/);
  await arc.keys.revoke(key.id);
  const { id } = api.sandboxes.put('root');
  for await (const event of arc.events({ since: 0 })) {
    assert.equal(event.subject, id);
    break;
  }
});

test('the SDK imports nothing that a browser lacks', async () => {
  const { readdir, readFile } = await import('node:fs/promises');
  const folder = new URL('../../../src/sdk/', import.meta.url);
  const names = (await readdir(folder)).filter((name) => !name.endsWith('.test.ts'));
  assert.ok(names.length > 10);
  for (const name of names) {
    const source = await readFile(new URL(name, folder), 'utf8');
    for (const [, from = ''] of source.matchAll(/from '([^']+)'/g)) assert.match(from, /^\.\/|^\.\.\/contract\//, name);
    assert.doesNotMatch(source, /\b(Buffer|process|require|setImmediate)\b[.(]/, name);
  }
});
