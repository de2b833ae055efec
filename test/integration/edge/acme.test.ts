import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { AcmeCertificates } from '../../../src/edge/acme/certificates.ts';
import { DnsHook } from '../../../src/edge/acme/dns-hook.ts';
import { AcmeFolder, type AcmeState } from '../../../src/edge/acme/folder.ts';
import { AcmeIssuer, type Issuer } from '../../../src/edge/acme/issuer.ts';
import { createEdge, type Edge } from '../../../src/edge/edge.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { runProgram } from '../../../src/kit/run.ts';
import { ManualClock } from '../../../src/testing/fakes/manual-clock.ts';
import { SeededRng } from '../../../src/testing/fakes/seeded-rng.ts';
import { certificateFolder, makeAddressCertificate } from './certificates.ts';
import { until } from './harness.ts';
import { freePort, HOST, startPebble, trust } from './pebble.ts';

const DOMAIN = 'sandboxes.test';
/** Other programs run, on a machine that others use, too. */
const ISSUED_MS = 60_000;
const YEARS_MS = 4 * 365 * 86_400_000;

/** Adds and removes values at Pebble's DNS server, and writes down how it was called. */
const HOOK = `import { appendFileSync } from 'node:fs';
const [dns, calls, what, name, value] = process.argv.slice(2);
appendFileSync(calls, [what, name, value].join(' ') + '\\n');
const body = JSON.stringify({ host: name + '.', value });
const answer = await fetch(dns + '/' + what + '-txt', { method: 'POST', body });
if (!answer.ok) process.exit(1);
`;

interface Wanted {
  readonly folder: string;
  readonly directory: string;
  readonly port: number;
  readonly domain?: string;
  /** Argv of a hook: DNS-01. */
  readonly hook?: readonly string[];
  readonly issuer?: Issuer;
}

/** An edge whose certificates are an ACME service's, over a clock moved by hand. */
async function startAcme(t: TestContext, wanted: Wanted) {
  const { directory, port, domain = DOMAIN, hook } = wanted;
  const folder = new AcmeFolder(join(wanted.folder, 'acme'));
  const clock = new ManualClock(Date.now());
  const challenges = new Map<string, string>();
  const env = { PATH: process.env.PATH ?? '' };
  const dns = hook && new DnsHook({ argv: hook, env, run: runProgram, logger: silentLogger });
  const made = new AcmeIssuer({ directory, email: 'ops@course.test', folder, dns, challenges, pollMs: 50 });
  const certificates = new AcmeCertificates({
    ...{ names: dns ? [domain, `*.${domain}`] : [domain], directory, folder, clock },
    ...{ issuer: wanted.issuer ?? made, rng: new SeededRng(1), logger: silentLogger },
  });
  const edge = createEdge({
    ...{ listen: `${HOST}:${port}`, domain, clock: realClock, logger: silentLogger, limits: { drainMs: 50 } },
    tls: { listen: `${HOST}:0`, certificates, hstsSeconds: 0, redirect: true },
    challenges,
  });
  await edge.listen();
  t.after(() => edge.close());
  return { edge, clock, challenges, folder: join(wanted.folder, 'acme') };
}

/** Serial number and names of what the edge serves; undefined where it has none. */
function served(edge: Edge, name = DOMAIN): Promise<{ serial: string; names: string } | undefined> {
  const socket = tlsConnect({ ...edge.tlsAddress, servername: name, rejectUnauthorized: false });
  return new Promise((done) => {
    socket.on('error', () => done(undefined));
    socket.on('secureConnect', () => {
      const { serialNumber: serial, subjectaltname: names = '' } = socket.getPeerCertificate();
      socket.destroy();
      done({ serial, names });
    });
  });
}

function stateOf(folder: string): Partial<AcmeState> {
  try {
    return JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
  } catch {
    return {};
  }
}

const issued = (folder: string) => until(() => stateOf(folder).until !== undefined, 'a certificate', ISSUED_MS);
const failed = (folder: string, count = 1) =>
  until(() => stateOf(folder).failure?.count === count, `failure ${count}`, ISSUED_MS);

it('a certificate is had by HTTP-01, kept for its owner alone, renewed in time and used without a restart', async (t) => {
  const folder = certificateFolder(t);
  const port = await freePort();
  const { directory } = await startPebble(t, folder, port);
  const acme = await startAcme(t, { folder, directory, port });
  await issued(acme.folder);
  const first = await served(acme.edge);
  assert.equal(first?.names, `DNS:${DOMAIN}`);
  assert.equal(acme.challenges.size, 0);
  const files = readdirSync(acme.folder).sort();
  assert.deepEqual(
    files.map((name) => name.replace(/-[0-9a-f]{16}/, '')),
    ['account.pem', 'certificate.json', 'state.json'],
  );
  for (const name of files) assert.equal(statSync(join(acme.folder, name)).mode & 0o777, 0o600);
  assert.equal(statSync(acme.folder).mode & 0o777, 0o700);

  const before = stateOf(acme.folder);
  await acme.clock.advance(86_400_000);
  assert.deepEqual(stateOf(acme.folder), before);
  acme.clock.jumpWall(YEARS_MS);
  await acme.clock.advance(3_600_000);
  const kept = () => readFileSync(join(acme.folder, 'certificate.json'), 'utf8');
  const old = kept();
  await until(() => kept() !== old, 'the renewal', ISSUED_MS);
  let now = await served(acme.edge);
  const deadline = performance.now() + 5_000;
  while (now?.serial === first?.serial && performance.now() < deadline) now = await served(acme.edge);
  assert.notEqual(now?.serial, first?.serial);
});

it('a certificate for the domain and its wildcard is had by DNS-01 through the hook, and its records are cleared', async (t) => {
  const folder = certificateFolder(t);
  const port = await freePort();
  const { directory, dns } = await startPebble(t, folder, port);
  const [program, calls] = [join(folder, 'hook.mjs'), join(folder, 'calls')];
  writeFileSync(program, HOOK);
  const acme = await startAcme(t, { folder, directory, port, hook: [process.execPath, program, dns, calls] });
  await issued(acme.folder);
  assert.equal((await served(acme.edge))?.names.split(', ').sort().join(), `DNS:*.${DOMAIN},DNS:${DOMAIN}`);
  const lines = readFileSync(calls, 'utf8').trim().split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(' ').slice(0, 2).join(' ')),
    [...Array(2).fill(`set _acme-challenge.${DOMAIN}`), ...Array(2).fill(`clear _acme-challenge.${DOMAIN}`)],
  );
  const valuesOf = (what: string) => lines.filter((line) => line.startsWith(what)).map((line) => line.split(' ')[2]);
  assert.deepEqual(valuesOf('clear').sort(), valuesOf('set').sort());
});

it('a hook that fails is named with what it said, and asked again later', async (t) => {
  const folder = certificateFolder(t);
  const port = await freePort();
  const { directory, dns } = await startPebble(t, folder, port);
  const [program, calls, bad] = [join(folder, 'hook.mjs'), join(folder, 'calls'), join(folder, 'bad.mjs')];
  writeFileSync(program, HOOK);
  writeFileSync(bad, "console.error('no such zone');\nprocess.exit(3);\n");
  const acme = await startAcme(t, { folder, directory, port, hook: [process.execPath, bad, dns, calls] });
  await failed(acme.folder);
  assert.match(
    stateOf(acme.folder).failure?.what ?? '',
    /hook .* failed at "set _acme-challenge\.sandboxes\.test": exit code 3: no such zone/,
  );
  assert.equal(await served(acme.edge), undefined);
  writeFileSync(bad, HOOK);
  await acme.clock.advance(3_600_000);
  await issued(acme.folder);
  assert.equal(stateOf(acme.folder).failure, undefined);
});

it('a hook that is not there is a failure where a record is to be set, and none where it is to be cleared', async () => {
  const hook = new DnsHook({ argv: ['/nowhere/hook'], env: {}, run: runProgram, logger: silentLogger });
  await assert.rejects(
    hook.set('_acme-challenge.a.test', 'x', new AbortController().signal),
    /\/nowhere\/hook.*ENOENT/,
  );
  await hook.clear('_acme-challenge.a.test', 'x');
});

it('an order that is refused says why', async (t) => {
  const folder = certificateFolder(t);
  const port = await freePort();
  const { directory } = await startPebble(t, folder, port);
  const acme = await startAcme(t, { folder, directory, port, domain: 'blocked.test' });
  await failed(acme.folder);
  assert.match(stateOf(acme.folder).failure?.what ?? '', /policy forbids issuing|blocklist|blocked/i);
});

it('while the directory is down a kept certificate is served, also after a restart', async (t) => {
  const folder = certificateFolder(t);
  const port = await freePort();
  const { directory } = await startPebble(t, folder, port);
  const first = await startAcme(t, { folder, directory, port });
  await issued(first.folder);
  const before = await served(first.edge);
  await first.edge.close();
  const gone = `https://${HOST}:${await freePort()}/dir`;
  const second = await startAcme(t, { folder, directory: gone, port });
  assert.deepEqual(await served(second.edge), before);
  await failed(second.folder);
  assert.match(stateOf(second.folder).failure?.what ?? '', /ECONNREFUSED/);
  assert.deepEqual(await served(second.edge), before);
  assert.equal(stateOf(second.folder).until !== undefined, true);
  await second.clock.advance(200_000);
  await failed(second.folder, 2);
});

it('a directory that says when to come again is not asked before', async (t) => {
  const folder = certificateFolder(t);
  const { cert, key } = makeAddressCertificate(folder, 'limited', HOST);
  trust(t, cert);
  const directoryPort = await freePort();
  const base = `https://${HOST}:${directoryPort}`;
  let asked = 0;
  const server = createServer({ cert, key }, (request, response) => {
    response.setHeader('Replay-Nonce', 'bm9uY2U');
    response.setHeader('Content-Type', 'application/json');
    if (request.url === '/dir') {
      response.end(
        JSON.stringify({ newNonce: `${base}/nonce`, newAccount: `${base}/account`, newOrder: `${base}/order` }),
      );
    } else if (request.url === '/account') {
      asked += 1;
      response.writeHead(429, { 'Retry-After': '36000' });
      response.end(JSON.stringify({ type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many accounts' }));
    } else response.end();
  });
  await new Promise<void>((done) => server.listen({ host: HOST, port: directoryPort }, done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const acme = await startAcme(t, { folder, directory: `${base}/dir`, port: await freePort() });
  await failed(acme.folder);
  assert.match(stateOf(acme.folder).failure?.what ?? '', /too many accounts/);
  await acme.clock.advance(35_000_000);
  assert.equal(asked, 1);
  await acme.clock.advance(2_000_000);
  await failed(acme.folder, 2);
  assert.equal(asked, 2);
});

it('a kept certificate that is damaged, or for another domain, is not used and another is asked for', async (t) => {
  const folder = certificateFolder(t);
  const port = await freePort();
  const { directory } = await startPebble(t, folder, port);
  const first = await startAcme(t, { folder, directory, port });
  await issued(first.folder);
  const before = await served(first.edge);
  await first.edge.close();
  writeFileSync(join(first.folder, 'certificate.json'), '{"directory":');
  writeFileSync(join(first.folder, 'state.json'), '{}');
  const second = await startAcme(t, { folder, directory, port });
  await issued(second.folder);
  assert.notEqual((await served(second.edge))?.serial, before?.serial);
  await second.edge.close();
  writeFileSync(join(first.folder, 'state.json'), '{}');
  const third = await startAcme(t, { folder, directory, port, domain: 'other.test' });
  await issued(third.folder);
  assert.equal((await served(third.edge, 'other.test'))?.names, 'DNS:other.test');
});
