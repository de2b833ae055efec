import { homedir } from 'node:os';
import { join } from 'node:path';
import { AcmeCertificates } from '../edge/acme/certificates.ts';
import { DnsHook } from '../edge/acme/dns-hook.ts';
import { AcmeFolder } from '../edge/acme/folder.ts';
import { AcmeIssuer } from '../edge/acme/issuer.ts';
import type { Logger } from '../kit/logger.ts';
import { realClock, realRng } from '../kit/real.ts';
import { runProgram } from '../kit/run.ts';
import type { Config } from './config/index.ts';
import { searchPath } from './host-setup.ts';

/** Certificates of an ACME service, where one is set. */
export function acmeCertificates(
  config: Config,
  logger: Logger,
  challenges: Map<string, string>,
): AcmeCertificates | undefined {
  const { acmeDirectory: directory, acmeEmail: email, acmeDnsHook: argv, domain } = config;
  if (directory === undefined) return undefined;
  const folder = new AcmeFolder(join(config.dataDir, 'acme'));
  const env = { PATH: searchPath(), HOME: homedir(), LANG: 'C.UTF-8' };
  const dns = argv && new DnsHook({ argv, env, run: runProgram, logger });
  if (!dns) {
    logger.warn({ domain }, 'without --acme-dns-hook the certificate is for the domain alone, not for *.domain');
  }
  return new AcmeCertificates({
    ...{ directory, folder, clock: realClock, rng: realRng, logger },
    names: dns ? [domain, `*.${domain}`] : [domain],
    issuer: new AcmeIssuer({ directory, email, folder, dns, challenges }),
  });
}
