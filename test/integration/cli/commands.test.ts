import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ArcError } from '../../../src/contract/errors.ts';
import { startApi, until } from '../api/harness.ts';
import { cli, startCli } from './harness.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'arc-cli-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test('create shows one line for people and the document for programs', async () => {
  await using api = await startApi();
  const people = await cli(api, ['create', 'whoami', '--label', 'user_id=42']);
  assert.equal(people.code, 0);
  assert.match(people.out, /^sb-\S+ {2}running \(ready\) {2}http:\/\/sb-/);
  const { out } = await cli(api, ['create', 'whoami', '--json', '--wait', '0', '--', '/bin/other', '-x']);
  const made = JSON.parse(out);
  assert.equal(made.state, 'queued');
  assert.equal(made.queuePosition, 3);
  assert.deepEqual(api.sandboxes.creates[1]?.request.command, ['/bin/other', '-x']);
});

test('ls gives every page, filters, and hides what is gone unless asked', async () => {
  await using api = await startApi();
  for (let i = 0; i < 250; i += 1) api.sandboxes.put('root', { labels: { n: String(i % 2) } });
  api.sandboxes.put('root', { state: 'removed', reason: 'user' });
  assert.equal(JSON.parse((await cli(api, ['ls', '--json'])).out).length, 250);
  assert.equal((await cli(api, ['ls', '-q', '--label', 'n=1'])).out.split('\n').length - 1, 125);
  assert.equal((await cli(api, ['ls', '-aq'])).out.split('\n').length - 1, 251);
});

test('what comes from a sandbox can not speak to the terminal', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root', { labels: { x: 'a\u001b[2J' }, detail: 'b\u001b]0;t\u0007' });
  for (const argv of [['ls'], ['show', id]]) assert.doesNotMatch((await cli(api, argv)).out, /[\u001b\u0007]/);
});

test('rm goes on after one that fails, says so, and ends with its exit code', async () => {
  await using api = await startApi();
  const one = api.sandboxes.put('root');
  const two = api.sandboxes.put('root');
  const { code, out, err } = await cli(api, ['rm', one.id, 'sb-zzzz', two.id]);
  assert.equal(code, 1);
  assert.equal(out, `${one.id}\n${two.id}\n`);
  assert.match(err, /sandbox_not_found/);
  assert.equal((await cli(api, ['rm'])).code, 2);
  assert.equal((await cli(api, ['rm', '--all', one.id])).code, 2);
});

test('restart, reset, extend, show, ps, stats, nodes, open, keys and templates say what they did', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  const expected: [string[], RegExp][] = [
    [['restart', id], /running \(restart\)/],
    [['reset', id], /running \(reset\)/],
    [['link', id, '--may', 'logs', '--for', '1h'], /^http:\/\/127\.0\.0\.1\/open\/#arcl_[a-z2-7]{32}\n$/],
    [['link', id, '--list'], /lk-[a-z2-7]{16} +logs /],
    [['extend', id, '30m'], /stops in/],
    [['access', id, '--port', '9090', '--ttl', '2h'], /9090-.*\?arc-token=/],
    [['show', id], /stops: +in .* then it is frozen[\s\S]*WHEN +STATE +REASON/],
    [['ps', id], /\/whoami/],
    [['stats'], /684KiB|683\.6KiB/],
    [['stats', id], new RegExp(id)],
    [['nodes'], /container +yes +crun/],
    [['open', '--print', '--port', '9090', id], /^http:\/\/9090-sb-/],
    [['key', 'create', 'ci', '--scope', 'sandboxes:read'], /secret: +arc_/],
    [['key', 'ls'], /alice/],
    [['alerts', '--over'], /ALERT +SEVERITY +BEGAN +ENDED/],
    [['alerts', '--rules'], /ALERT +TOLD WHEN/],
    [['template', 'ls'], /whoami .*built in/],
    [['template', 'show', 'whoami'], /isolation: +container or stronger/],
    [['template', 'prune'], /2 layers removed, 4KiB freed/],
    [['version'], /arc 0\.1\.0\nserver 0\.1\.0/],
  ];
  for (const [argv, pattern] of expected) {
    const { code, out, err } = await cli(api, argv);
    assert.equal(code, 0, `${argv.join(' ')}: ${err}`);
    assert.match(out, pattern, argv.join(' '));
    const json = await cli(api, [argv[0] ?? '', ...argv.slice(1), '--json']);
    assert.doesNotThrow(() => JSON.parse(json.out), argv.join(' '));
  }
});

test('a template is added from options over a file, with progress, and a password only from the input', async (t) => {
  await using api = await startApi();
  const dir = await folder(t);
  await writeFile(join(dir, 't.yaml'), 'name: from-file\nroot: { path: ./rootfs }\nmemory: 32MiB\nports: [80]\n');
  const argv = [
    'template',
    'add',
    '--from',
    't.yaml',
    '--memory',
    '64MiB',
    '--cap',
    'cap_setuid',
    '--user',
    '1000',
    '--',
    '/bin/app',
    '-x',
  ];
  const added = await cli(api, argv, { cwd: dir });
  assert.equal(added.code, 0, added.err);
  assert.match(added.err, /downloading/);
  assert.deepEqual(api.templates.adds[0]?.template, {
    name: 'from-file',
    root: { path: join(dir, 'rootfs') },
    memory: '64MiB',
    ports: [80],
    capabilities: ['SETUID'],
    user: '1000',
    command: ['/bin/app', '-x'],
  });
  const login = ['template', 'add', 'app', '--image', 'r.example/app:1', '--port', '3000', '--username', 'u'];
  assert.equal((await cli(api, login)).code, 2);
  assert.equal((await cli(api, [...login, '--password-stdin'], { stdin: 'secret\n' })).code, 0);
  assert.deepEqual(api.templates.adds[1]?.credentials, { username: 'u', password: 'secret' });
  const missing = await cli(api, ['template', 'add', 'x', '--image', 'missing']);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /image_not_found/);
  const bad = await cli(api, ['template', 'add', 'y', '--image', 'z', '--memory', 'lots', '--json']);
  assert.equal(JSON.parse(bad.err.trim().split('\n').at(-1) ?? '').error.code, 'invalid_template');
});

test('files and folders are copied both ways, into what is there and to what is not', async (t) => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  const { files } = api.sandboxes.parts;
  const dir = await folder(t);
  files.nodes.set('/tmp', { type: 'dir', mode: 0o777 });
  await mkdir(join(dir, 'tree/sub'), { recursive: true });
  await writeFile(join(dir, 'tree/sub/file'), 'content');
  await symlink('sub/file', join(dir, 'tree/link'));
  await writeFile(join(dir, 'script'), '#!/bin/sh\n');
  await chmod(join(dir, 'script'), 0o750);
  const copy = (...argv: string[]) => cli(api, ['cp', ...argv], { cwd: dir });

  assert.deepEqual(await copy('script', `${id}:/tmp`), { code: 0, out: '', err: '' });
  assert.equal(files.text('/tmp/script'), '#!/bin/sh\n');
  assert.equal((files.nodes.get('/tmp/script') as { mode: number }).mode, 0o750);
  assert.equal((await copy('script', `${id}:/tmp/other`)).code, 0);
  assert.equal(files.text('/tmp/other'), '#!/bin/sh\n');
  assert.equal((await copy('tree', `${id}:/tmp`)).code, 0);
  assert.equal(files.text('/tmp/tree/sub/file'), 'content');
  assert.deepEqual(files.nodes.get('/tmp/tree/link'), { type: 'symlink', target: 'sub/file' });
  assert.equal((await copy('tree/.', `${id}:/tmp`)).code, 0);
  assert.equal(files.text('/tmp/sub/file'), 'content');

  assert.equal((await copy(`${id}:/tmp/tree`, 'back')).code, 0);
  assert.equal(await readFile(join(dir, 'back/link'), 'utf8'), 'content');
  assert.equal((await copy(`${id}:/tmp/script`, 'back/')).code, 0);
  assert.equal((await stat(join(dir, 'back/script'))).mode & 0o777, 0o750);
  assert.equal((await copy(`${id}:/tmp/script`, '-')).out, '#!/bin/sh\n');
  assert.equal((await cli(api, ['cp', '-', `${id}:/tmp/in`], { stdin: 'from the pipe' })).code, 0);
  assert.equal(files.text('/tmp/in'), 'from the pipe');
});

test('a copy that can not be done says why and leaves nothing half made', async (t) => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  const dir = await folder(t);
  const copy = (...argv: string[]) => cli(api, ['cp', ...argv], { cwd: dir });
  assert.match((await copy('nothing', `${id}:/tmp`)).err, /there is no nothing here/);
  assert.match((await copy(`${id}:/nothing`, 'here')).err, /file_not_found/);
  assert.equal((await copy('a', 'b')).code, 2);
  assert.equal((await copy(`${id}:/a`, `${id}:/b`)).code, 2);
  assert.equal((await copy(`${id}:relative`, 'b')).code, 2);
  assert.deepEqual(await readdir(dir), []);
});

test('logs are printed apart and whole, and followed over a lost server until the sandbox is gone', async () => {
  await using api = await startApi();
  const { id } = api.sandboxes.put('root');
  const { journal } = api.sandboxes.parts;
  journal.add('one\n');
  journal.add('oops\n', 'stderr');
  const printed = await cli(api, ['logs', id]);
  assert.deepEqual([printed.out, printed.err], ['one\n', 'oops\n']);
  assert.equal((await cli(api, ['logs', '--stream', 'stderr', id])).out, '');
  assert.equal((await cli(api, ['logs', '--since', '1', id])).out, '');
  assert.equal((await cli(api, ['logs', '--tail', '1', id])).err, 'oops\n');
  assert.match((await cli(api, ['logs', '--timestamps', id])).out, /^2027-01-15T08:00:00\.000Z one\n$/);

  const followed = startCli(api, ['logs', '-f', '--json', id]);
  await until(() => followed.stdout.text.split('\n').length === 3, 'what is there');
  // The stream ends without the sandbox being gone, as it does when a server stops; then it is there again.
  journal.end();
  await until(() => journal.readers === 0, 'the end of the stream');
  journal.ended = false;
  journal.add('two\n');
  await until(() => followed.stdout.text.split('\n').length === 4, 'what came after');
  api.sandboxes.records.set(id, {
    ...(await api.sandboxes.get({ owner: 'root', keyId: '', scopes: ['admin'] }, id)),
    state: 'removed',
  });
  journal.end();
  assert.equal(await followed.code, 0);
  assert.deepEqual(
    followed.stdout.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).seq),
    [1, 2, 3],
  );
});

test('events are printed as they happen', async () => {
  await using api = await startApi();
  api.sandboxes.put('root');
  const run = startCli(api, ['events', '--since', '0', '--json']);
  await until(() => run.stdout.text.includes('"id":1'), 'the first');
  const { id } = api.sandboxes.put('root');
  await until(() => run.stdout.text.includes(id), 'the next');
  run.stdout.close();
  api.sandboxes.put('root');
  assert.equal(await run.code, 141);
});

test('errors say what happened and what to do, in words or as a problem document', async () => {
  await using api = await startApi();
  const words = await cli(api, ['show', 'sb-zzzz']);
  assert.match(words.err, /^arc: .*sandbox_not_found\)\n {5}List them with `arc ls`\.\n$/);
  const json = JSON.parse((await cli(api, ['show', 'sb-zzzz', '--json'])).err);
  assert.equal(json.error.code, 'sandbox_not_found');
  assert.equal(json.error.retryable, false);
  api.sandboxes.fault = new ArcError('unavailable', 'Arc is starting');
  assert.equal((await cli(api, ['ls'])).code, 69);
});

test('without a server, or with a key that is not known, it says what to do', async (t) => {
  await using api = await startApi();
  const away = { base: 'http://127.0.0.1:1', admin: 'x' };
  const refused = await cli(away, ['ls']);
  assert.equal(refused.code, 69);
  assert.match(refused.err, /no server answers at http:\/\/127\.0\.0\.1:1.*not_connected/);
  assert.match(refused.err, /arc up/);
  assert.match((await cli({ base: api.base, admin: 'wrong' }, ['ls'])).err, /unauthorized/);
  const none = await cli(api, ['ls', '--data-dir', await folder(t)]);
  assert.equal(none.code, 69);
  assert.match(none.err, /no server was started with the data folder/);
  assert.match((await cli(api, ['ls'], { environment: { ARC_API_KEY: '' } })).err, /ARC_API_KEY is not/);
});

test('the server is found by its data folder', async (t) => {
  await using api = await startApi();
  const dir = await folder(t);
  await writeFile(join(dir, 'server.json'), JSON.stringify({ api: api.base }));
  await writeFile(join(dir, 'admin.key'), `${api.admin}\n`);
  const environment = { ARC_URL: '', ARC_API_KEY: '' };
  assert.equal((await cli(api, ['ls', '--data-dir', dir], { environment })).code, 0);
  assert.equal((await cli(api, ['ls'], { environment: { ...environment, ARC_DATA_DIR: dir } })).code, 0);
  const config = join(dir, 'arc');
  await mkdir(config);
  const own = { ...environment, XDG_CONFIG_HOME: dir };
  await writeFile(join(config, 'client.json'), JSON.stringify({ dataDir: dir }));
  assert.equal((await cli(api, ['ls'], { environment: own })).code, 0);
  await writeFile(join(config, 'client.json'), JSON.stringify({ url: api.base, apiKeyFile: join(dir, 'admin.key') }));
  assert.equal((await cli(api, ['ls'], { environment: own })).code, 0);
  await writeFile(join(config, 'client.json'), '{"urll":1,"url":2}');
  const bad = await cli(api, ['ls'], { environment: own });
  assert.equal(bad.code, 2);
  assert.match(bad.err, /unknown key "urll"; "url" must be text/);
});

test('commands that do not exist are refused with the nearest, and host commands are handed on', async () => {
  await using api = await startApi();
  const unknown = await cli(api, ['tempalte', 'ls']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /Did you mean `arc template`/);
  assert.match((await cli(api, ['key', 'lss'])).err, /Did you mean `arc key ls`/);
  assert.equal((await cli(api, ['toString'])).code, 2);
  assert.equal((await cli(api, ['up', '--json', '--detach'])).code, 2);
  assert.match((await cli(api, [])).out, /Usage: arc COMMAND/);
});

test('every command has help, and the completion scripts name them all and are taken by their shells', async () => {
  await using api = await startApi();
  const { COMMANDS } = await import('../../../src/cli/table.ts');
  const { isGroup, isHost } = await import('../../../src/cli/command.ts');
  const { spawnSync } = await import('node:child_process');
  const scripts: string[] = [];
  for (const shell of ['bash', 'zsh', 'fish']) scripts.push((await cli(api, ['completion', shell])).out);
  for (const [name, entry] of Object.entries(COMMANDS)) {
    for (const script of scripts) assert.ok(script.includes(name), name);
    if (isHost(entry)) continue;
    const paths = isGroup(entry) ? Object.keys(entry.commands).map((sub) => [name, sub]) : [[name]];
    for (const path of paths) {
      const { code, out } = await cli(api, [...path, '--help']);
      assert.equal(code, 0);
      assert.ok(out.includes(`arc ${path.join(' ')}`), path.join(' '));
    }
  }
  const words = `${scripts[0]}\nCOMP_WORDS=(arc template a); COMP_CWORD=2; _arc; echo "\${COMPREPLY[@]}"; COMP_WORDS=(arc run --iso); COMP_CWORD=2; _arc; echo "\${COMPREPLY[@]}"`;
  const bash = spawnSync('bash', ['-c', words], { encoding: 'utf8' });
  assert.equal(bash.stderr, '');
  assert.equal(bash.stdout, 'add\n--isolation\n');
});

test('bench refuses levels that there are not, counts that are none, and keys that may not add templates', async () => {
  await using api = await startApi();
  for (const argv of [
    ['--level', 'chroot'],
    ['--rounds', '0'],
    ['--rounds', '5', '--quick'],
  ])
    assert.equal((await cli(api, ['bench', ...argv])).code, 2, argv.join(' '));
  const { out } = await cli(api, ['key', 'create', 'ci', '--scope', 'sandboxes:write', '--json']);
  const { code, err } = await cli({ base: api.base, admin: JSON.parse(out).secret }, ['bench']);
  assert.equal(code, 1);
  assert.match(err, /needs a key with the scope admin/);
});
