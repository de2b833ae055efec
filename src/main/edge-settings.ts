import type { Edge, EdgeOptions, EdgeTls } from '../edge/edge.ts';
import { CertificateFiles } from '../edge/tls/files.ts';
import type { Logger } from '../kit/logger.ts';
import { realClock } from '../kit/real.ts';
import type { sandboxUrls } from '../server/http/index.ts';
import type { Config } from './config/index.ts';
import { type Address, isLoopback } from './config/values.ts';
import { acmeCertificates } from './edge-acme.ts';

const textOf = ({ host, port }: Address): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

/** What the configuration means for the edge. */
export function edgeSettings(
  config: Config,
  logger: Logger,
): Pick<EdgeOptions, 'listen' | 'limits' | 'tls' | 'challenges' | 'tcpPorts'> {
  const challenges = new Map<string, string>();
  const tls = tlsOf(config, logger, challenges);
  return {
    listen: textOf(config.edge),
    limits: { connectionsPerClient: config.connectionsPerClient },
    ...(config.tcpPorts && { tcpPorts: config.tcpPorts }),
    ...(tls && { tls, challenges }),
  };
}

function tlsOf(config: Config, logger: Logger, challenges: Map<string, string>): EdgeTls | undefined {
  const { edge, edgeTls, tlsCert, tlsKey, hstsSeconds } = config;
  const files = tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey };
  const certificates = files
    ? new CertificateFiles({ ...files, clock: realClock, logger })
    : acmeCertificates(config, logger, challenges);
  if (!edgeTls || !certificates) return undefined;
  // On loopback it is for what runs on this machine, such as a proxy.
  return { listen: textOf(edgeTls), hstsSeconds, redirect: !isLoopback(edge.host), certificates };
}

/** How people reach it. Its port is known once it listens. */
export function urlSettings(config: Config, edge: Edge): Parameters<typeof sandboxUrls>[0] {
  const { domain } = config;
  if (config.edgeTls) return { scheme: 'https', domain, edgeHost: domain, port: () => edge.tlsAddress.port };
  return { scheme: 'http', domain, edgeHost: config.edge.host, port: () => edge.address.port };
}
