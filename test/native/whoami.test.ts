import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';

const SOURCE = fileURLToPath(new URL('../../native/whoami.c', import.meta.url));
const RESIDENT_BYTES_MAX = 800 * 1024;
const dir = mkdtempSync(join(tmpdir(), 'arc-whoami-'));
const WARN = ['-std=gnu11', '-Wall', '-Wextra', '-Werror'];

before(() => {
  execFileSync('cc', ['-Os', '-static', '-s', ...WARN, '-o', join(dir, 'whoami'), SOURCE]);
  const checks = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g', '-O1'];
  execFileSync('cc', [...checks, ...WARN, '-o', join(dir, 'checked'), SOURCE]);
});
after(() => rmSync(dir, { recursive: true }));

interface Program {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(t: TestContext, binary: 'whoami' | 'checked' = 'checked'): Promise<Program> {
  const env = { A: '1', B: '2' };
  const child = spawn(join(dir, binary), ['0'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, port: Number(/listening on port ([0-9]+)$/.exec(line)?.[1]) };
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes, and gives what comes back until the program closes or `until` is seen. */
async function exchange(port: number, bytes: string | Uint8Array, until?: RegExp): Promise<string> {
  const socket = await open(port);
  let text = '';
  await new Promise<void>((done) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (until?.test(text)) done();
    });
    socket.on('close', () => done());
    if (until) socket.write(bytes);
    else socket.end(bytes);
  });
  socket.destroy();
  return text;
}

const residentBytes = (child: ChildProcess): number =>
  Number(/VmRSS:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024;

const CLOSE = 'Connection: close\r\n\r\n';

async function stillAnswers({ child, port }: Program): Promise<void> {
  assert.equal(child.exitCode, null);
  assert.match(
    await exchange(port, `GET /alive HTTP/1.1\r\nHost: x\r\n${CLOSE}`),
    /^HTTP\/1\.1 200 OK\r\n.*GET \/alive/s,
  );
}

it('answers with its host name, the client, the size of its environment and the request', async (t) => {
  const { port } = await start(t);
  const answer = await exchange(port, `GET /a?b HTTP/1.1\r\nHost: sb-x\r\nX-A: 1\x07\r\n${CLOSE}`);
  const hostname = execFileSync('hostname', { encoding: 'utf8' }).trim();
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  assert.match(answer, new RegExp(`Content-Length: ${body.length}\r\n`));
  assert.match(
    body,
    new RegExp(`^Hostname: ${hostname}\nRemote: 127\\.0\\.0\\.1:[0-9]+\nEnvironment: 2 variables\n\n`),
  );
  assert.ok(body.endsWith('\n\nGET /a?b HTTP/1.1\nHost: sb-x\nX-A: 1?\nConnection: close\n'));
});

it('keeps connections, answers requests sent together in order, steps over bodies, and HEAD has none', async (t) => {
  const { port } = await start(t);
  const bytes = [
    'GET /1 HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n',
    'GET /no HTTP/1.1\r\n'.padEnd(20_000, 'x'),
    'HEAD /3 HTTP/1.1\r\nHost: x\r\n\r\n',
    `GET /4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /5 HTTP/1.0\r\n\r\n`,
  ].join('');
  const answer = await exchange(port, bytes, /GET \/5.*\n$/s);
  assert.deepEqual(
    [...answer.matchAll(/\n(?:GET|POST|HEAD) (\S+)/g)].map((match) => match[1]),
    ['/1', '/2', '/4', '/5'],
  );
  assert.equal(answer.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, 5);
});

it('a request that comes byte by byte is answered, and keeps nobody waiting', async (t) => {
  const program = await start(t);
  const slow = await open(program.port);
  slow.setNoDelay(true);
  let text = '';
  slow.on('data', (bytes) => {
    text += bytes.toString();
  });
  for (const byte of `GET /slow HTTP/1.1\r\nHost: x\r\n${CLOSE}`) {
    slow.write(byte);
    if (byte === '/') await stillAnswers(program);
    await new Promise((done) => setImmediate(done));
  }
  await once(slow, 'close');
  assert.match(text, /GET \/slow/);
});

it('what is no proper request is refused, and ends its connection only', async (t) => {
  const program = await start(t);
  const bad = [
    'GET\r\n\r\n',
    'GET  HTTP/1.1\r\n\r\n',
    'GET / HTTP/2.0\r\n\r\n',
    'GET / HTTP/1.1 \r\n\r\n',
    'get / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nno colon\r\n\r\n',
    'GET / HTTP/1.1\r\n: no name\r\n\r\n',
    'GET / HTTP/1.1\r\nA b: c\r\n\r\n',
    'GET / HTTP/1.1\r\n folded: 1\r\n\r\n',
    'GET / HTTP/1.1\r\nA: \x00\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n',
    `GET /${'a'.repeat(9_000)} HTTP/1.1\r\n\r\n`,
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    '\r\n\r\n',
  ];
  for (const bytes of bad) {
    const answer = await exchange(program.port, Buffer.from(`${bytes}GET /hidden HTTP/1.1\r\n\r\n`, 'latin1'));
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/, JSON.stringify(bytes));
    assert.ok(!answer.includes('hidden'));
  }
  const chunked =
    'POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n';
  const answer = await exchange(program.port, chunked);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*Connection: close/s);
  assert.ok(!answer.includes('hidden'));
  await stillAnswers(program);
});

it('no bytes at all, cut anywhere, bring it down', async (t) => {
  const program = await start(t);
  const words = [
    'GET ',
    'HEAD',
    ' / HTTP/1.1\r\n',
    'HTTP/1.0',
    '\r\n',
    '\r\n\r\n',
    'Content-Length: 5\r\n',
    ':',
    'Connection: keep-alive\r\n',
    'a'.repeat(5_000),
  ];
  const piece = fc.oneof(
    fc.constantFrom(...words).map((word) => Buffer.from(word)),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.boolean(), async (pieces, abrupt) => {
      const socket = await open(program.port);
      for (const bytes of pieces) socket.write(bytes);
      if (abrupt) socket.resetAndDestroy();
      else socket.end();
      socket.resume();
      await once(socket, 'close');
      assert.equal(program.child.exitCode, null);
    }),
    { numRuns: 400 },
  );
  await stillAnswers(program);
});

it('clients that send and never read, or never send, take bounded memory and keep nobody waiting', async (t) => {
  const program = await start(t, 'whoami');
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const many = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200);
  for (let n = 0; n < 40; n += 1) {
    const greedy = await open(program.port);
    greedy.pause();
    for (let turn = 0; turn < 100 && !greedy.writableNeedDrain; turn += 1) greedy.write(many);
    sockets.push(greedy);
  }
  for (let n = 0; n < 1_100; n += 1) {
    const half = await open(program.port);
    half.write('GET / HT');
    sockets.push(half);
  }
  await stillAnswers(program);
  const resident = residentBytes(program.child);
  assert.ok(resident < 2 * RESIDENT_BYTES_MAX, `${resident} bytes`);
});

it('is small: resident at rest, and with a hundred clients kept alive', async (t) => {
  const program = await start(t, 'whoami');
  await stillAnswers(program);
  const atRest = residentBytes(program.child);
  const sockets = await Promise.all(Array.from({ length: 100 }, () => open(program.port)));
  for (const socket of sockets) {
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
  }
  const busy = residentBytes(program.child);
  for (const socket of sockets) socket.destroy();
  t.diagnostic(`${atRest / 1024} KiB at rest, ${busy / 1024} KiB with 100 clients`);
  assert.ok(atRest < RESIDENT_BYTES_MAX && busy < RESIDENT_BYTES_MAX, `${atRest} and ${busy} bytes`);
});

it('ends on SIGTERM also as process 1, and leaves no zombies of others there', async (t) => {
  const argv = ['--pid', '--fork', '--mount-proc', '--kill-child', join(dir, 'whoami'), '0'];
  const outer = spawn('unshare', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => outer.kill('SIGKILL'));
  await once(createInterface(outer.stdout), 'line');
  const inner = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim();
  const inside = (...argv: string[]) =>
    execFileSync('nsenter', ['--target', inner, '--pid', '--mount', ...argv], { encoding: 'utf8' });
  inside('sh', '-c', '(sh -c : &)');
  const deadline = performance.now() + 5_000;
  while (/^\s*[0-9]+ sh\b/m.test(inside('ps', '-e', '-o', 'pid=,comm='))) {
    assert.ok(performance.now() < deadline, 'an orphan stays as a zombie');
  }
  const ended = once(outer, 'exit');
  process.kill(Number(inner), 'SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

it('says what is wrong with its port', async (t) => {
  const { port } = await start(t, 'whoami');
  for (const [argument, code] of [
    ['http', 64],
    ['70000', 64],
    ['', 64],
    [String(port), 71],
  ] as const) {
    const child = spawn(join(dir, 'whoami'), [argument], { stdio: 'ignore' });
    assert.equal((await once(child, 'exit'))[0], code, argument);
  }
});
