import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { makeAddressCertificate } from './certificates.ts';
import { until } from './harness.ts';

/** An address of the loopback network for the ACME servers alone. */
export const HOST = '127.0.221.1';

export interface Pebble {
  /** URL of the directory. */
  readonly directory: string;
  /** Of the DNS server's management: `set-txt`, `clear-txt`. */
  readonly dns: string;
}

/** Debian's ACME server with its DNS server, which says that every name is at `HOST`; both end with the test. */
export async function startPebble(t: TestContext, folder: string, httpPort: number): Promise<Pebble> {
  const [listen, management, dns, dnsManagement] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  trust(t, makeAddressCertificate(folder, 'pebble', HOST).cert);
  const config = {
    listenAddress: `${HOST}:${listen}`,
    managementListenAddress: `${HOST}:${management}`,
    certificate: join(folder, 'pebble.pem'),
    privateKey: join(folder, 'pebble.key'),
    ...{ httpPort, tlsPort: 1, ocspResponderURL: '', externalAccountBindingRequired: false },
    domainBlocklist: ['blocked.test'],
  };
  writeFileSync(join(folder, 'pebble.json'), JSON.stringify({ pebble: config }));
  const names = ['-dns01', `${HOST}:${dns}`, '-management', `${HOST}:${dnsManagement}`, '-defaultIPv4', HOST];
  const off = ['-defaultIPv6', '', '-http01', '', '-https01', '', '-tlsalpn01', ''];
  start(t, 'pebble-challtestsrv', [...names, ...off], {});
  // Every name is proved each time, and looked at without delay.
  const settings = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0', PEBBLE_WFE_NONCEREJECT: '10' };
  start(t, 'pebble', ['-config', join(folder, 'pebble.json'), '-dnsserver', `${HOST}:${dns}`], settings);
  const directory = `https://${HOST}:${listen}/dir`;
  await answers(directory);
  await answers(`http://${HOST}:${dnsManagement}/`);
  return { directory, dns: `http://${HOST}:${dnsManagement}` };
}

/** As NODE_EXTRA_CA_CERTS does, which is read only when a process starts. */
export function trust(t: TestContext, cert: string): void {
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, cert]);
  t.after(() => setDefaultCACertificates(before));
}

export async function freePort(): Promise<number> {
  const server = createServer().listen({ host: HOST, port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function start(t: TestContext, program: string, args: readonly string[], env: Record<string, string>): void {
  const child: ChildProcess = spawn(program, args, { stdio: 'ignore', env: { PATH: process.env.PATH ?? '', ...env } });
  const gone = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
}

async function answers(url: string): Promise<void> {
  let seen = false;
  let asking = false;
  const ask = async (): Promise<void> => {
    asking = true;
    seen = await fetch(url).then(
      () => true,
      () => false,
    );
    asking = false;
  };
  await until(
    () => {
      if (!seen && !asking) void ask();
      return seen;
    },
    url,
    30_000,
  );
}
