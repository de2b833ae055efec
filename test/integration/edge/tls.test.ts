import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { createEdge, type Edge } from '../../../src/edge/edge.ts';
import type { Identity } from '../../../src/edge/tls/certificates.ts';
import { CertificateFiles } from '../../../src/edge/tls/files.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { certificateFolder, fixed, makeCertificate } from './certificates.ts';
import { exchange, get, route, startEdge, startUpstream, statusOf, until } from './harness.ts';

const DOMAIN = 'sandboxes.test';

async function overTls(t: TestContext, identity: Identity, more: { redirect?: boolean; domain?: string } = {}) {
  const edge = await startEdge(
    t,
    {},
    {
      domain: more.domain ?? DOMAIN,
      tls: {
        ...{ listen: '127.0.0.1:0', hstsSeconds: 600, redirect: more.redirect ?? false },
        certificates: fixed(identity),
      },
    },
  );
  return edge;
}

function open(edge: Edge, name = `sb-aaaa.${DOMAIN}`): Promise<TLSSocket> {
  const socket = tlsConnect({ ...edge.tlsAddress, servername: name, rejectUnauthorized: false });
  return new Promise((done, fail) => socket.on('secureConnect', () => done(socket)).on('error', fail));
}

async function exchangeTls(edge: Edge, bytes: string, name?: string): Promise<string> {
  const socket = await open(edge, name);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.write(bytes, 'latin1');
  await new Promise((done) => socket.on('close', done));
  return text;
}

it('a sandbox is told that its client came by TLS, and the browser to come by nothing else', async (t) => {
  const edge = await overTls(t, makeCertificate(certificateFolder(t), 'one', DOMAIN));
  const upstream = await startUpstream(t, '127.0.0.2', (request, response) => {
    response.setHeader('Strict-Transport-Security', 'max-age=0');
    response.end(JSON.stringify(request.headers));
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const answer = await exchangeTls(edge, get(`sb-aaaa.${DOMAIN}`));
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.deepEqual(answer.match(/Strict-Transport-Security: .*/gi), ['Strict-Transport-Security: max-age=600']);
  assert.match(answer, /"x-forwarded-proto":"https"/);
  assert.match(answer, /"x-forwarded-port":"443"/);
  assert.match(await exchangeTls(edge, get(`sb-none.${DOMAIN}`)), /^HTTP\/1\.1 404 .*Strict-Transport-Security/s);
  assert.doesNotMatch(await exchange(edge, get(`sb-aaaa.${DOMAIN}`)), /Transport-Security: max-age=600/);
});

it('names that are everybody’s, such as localhost, are never bound to TLS', async (t) => {
  const identity = makeCertificate(certificateFolder(t), 'one', 'localhost');
  const edge = await overTls(t, identity, { domain: 'localhost' });
  const answer = await exchangeTls(edge, get('sb-none.localhost'), 'sb-none.localhost');
  assert.equal(statusOf(answer), 404);
  assert.doesNotMatch(answer, /Strict-Transport/);
});

it('who comes in the clear is sent to TLS, to a place of ours only', async (t) => {
  const identity = makeCertificate(certificateFolder(t), 'one', DOMAIN);
  const edge = await overTls(t, identity, { redirect: true });
  const { port } = edge.tlsAddress;
  const answer = await exchange(edge, get(`SB-aaaa.${DOMAIN}:80`, '/a?b=c'));
  assert.equal(statusOf(answer), 308);
  assert.match(answer, new RegExp(`\r\nLocation: https://SB-aaaa.${DOMAIN}:${port}/a\\?b=c\r\n`));
  assert.match(
    await exchange(edge, get('127.0.0.1', '/_sb/sb-aaaa/x')),
    new RegExp(`https://${DOMAIN}:${port}/_sb/sb-aaaa/x\r\n`),
  );
  assert.equal(statusOf(await exchange(edge, get('elsewhere.test'))), 421);
  const upgrade = ['Upgrade: websocket', 'Connection: Upgrade'];
  assert.equal(statusOf(await exchange(edge, get(`sb-aaaa.${DOMAIN}`, '/', upgrade))), 308);
});

it('an ACME challenge is answered in the clear, and no other path of that kind is', async (t) => {
  const challenges = new Map([['tok_en-1', 'tok_en-1.print']]);
  const edge = await startEdge(t, {}, { challenges });
  assert.match(
    await exchange(edge, get('anything.test', '/.well-known/acme-challenge/tok_en-1')),
    /\r\n\r\ntok_en-1\.print$/,
  );
  assert.equal(statusOf(await exchange(edge, get('anything.test', '/.well-known/acme-challenge/other'))), 421);
});

it('WebSockets and other upgrades pass by TLS', async (t) => {
  const edge = await overTls(t, makeCertificate(certificateFolder(t), 'one', DOMAIN));
  const upstream = await startUpstream(t, '127.0.0.2', () => {});
  upstream.server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const socket = await open(edge);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.write(`GET / HTTP/1.1\r\nHost: sb-aaaa.${DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
  await until(() => text.includes('\r\n\r\n'), 'the upgrade');
  socket.end('said by the client');
  await until(() => text.endsWith('said by the client'), 'the echo');
});

it('a renewed certificate is used for new connections while old ones go on; a bad one is not used', async (t) => {
  const folder = certificateFolder(t);
  for (const name of ['one', 'two']) makeCertificate(folder, name, DOMAIN);
  const at = (name: string) => join(folder, name);
  const put = (name: string) => {
    copyFileSync(at(`${name}.pem`), at('live.pem'));
    copyFileSync(at(`${name}.key`), at('live.key'));
  };
  put('one');
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (_: unknown, text?: string) => void errors.push(text ?? '') };
  const certificates = new CertificateFiles({
    ...{ cert: at('live.pem'), key: at('live.key'), clock: realClock, everyMs: 20 },
    logger: logger as typeof silentLogger,
  });
  const edge = await startEdge(
    t,
    {},
    { domain: DOMAIN, tls: { listen: '127.0.0.1:0', certificates, hstsSeconds: 0, redirect: false } },
  );
  let release = () => {};
  const upstream = await startUpstream(t, '127.0.0.2', (_request, response) => {
    response.write('first ');
    release = () => response.end('last');
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const under = await open(edge);
  let text = '';
  under.on('data', (chunk) => {
    text += chunk.toString();
  });
  under.write(get(`sb-aaaa.${DOMAIN}`));
  await until(() => text.includes('first'), 'the first bytes');
  const subject = async () => {
    const socket = await open(edge);
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  };
  assert.equal(await subject(), 'one');
  writeFileSync(at('live.pem'), 'half of');
  await until(() => errors.length > 0, 'the complaint');
  assert.equal(await subject(), 'one');
  put('two');
  const seen = new Set<unknown>();
  const deadline = performance.now() + 5_000;
  while (!seen.has('two') && performance.now() < deadline) seen.add(await subject());
  assert.ok(seen.has('two'));
  release();
  await until(() => text.includes('last'), 'the rest on the old connection');
});

it('a certificate that is none is said before a port is taken', async (t) => {
  const folder = certificateFolder(t);
  const [cert, key] = [join(folder, 'a.pem'), join(folder, 'a.key')];
  writeFileSync(cert, 'nothing');
  const certificates = new CertificateFiles({ ...{ cert, key, clock: realClock, logger: silentLogger } });
  const edge = createEdge({
    ...{ listen: '127.0.0.1:0', domain: DOMAIN, clock: realClock, logger: silentLogger },
    tls: { listen: '127.0.0.1:0', certificates, hstsSeconds: 0, redirect: false },
  });
  await assert.rejects(edge.listen(), /a\.key can not be read/);
  writeFileSync(key, 'nothing');
  await assert.rejects(edge.listen(), /not a PEM certificate/);
  assert.throws(() => edge.address);
});
