import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CertificateSource, Identity } from '../../../src/edge/tls/certificates.ts';
import { removeTree } from '../../../src/kit/remove-tree.ts';

/** Self-signed certificates of Debian's OpenSSL, in a folder that goes with the test. */
export function certificateFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'arc-edge-tls-'));
  t.after(() => removeTree(folder, tmpdir()));
  return folder;
}

export function makeCertificate(folder: string, name: string, domain: string): Identity {
  return make(folder, name, `DNS:${domain},DNS:*.${domain}`);
}

function make(folder: string, name: string, of: string): Identity {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const names = `subjectAltName=${of}`;
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'],
      ...['-subj', `/CN=${name}`, '-addext', names, '-keyout', key, '-out', cert],
    ],
    { stdio: 'pipe' },
  );
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

/** One certificate that stays. */
export const fixed = (identity: Identity): CertificateSource => ({
  open: async (use) => use(identity),
  close: () => {},
});

/** For a server at an address. */
export function makeAddressCertificate(folder: string, name: string, address: string): Identity {
  return make(folder, name, `IP:${address}`);
}
