import type { AccessClaim } from '../../domain/access-token.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';

import type { EdgeFigures, Services, Traces } from '../service.ts';
import type { RateLimits } from './guard/rates.ts';

/** Where a sandbox is reached from outside. The edge's port may be known only once it listens, hence functions. */
export interface SandboxUrls {
  readonly domain: string;
  /** Base address of the edge, such as `http://127.0.0.1:7780`. */
  edge(): string;
  /** The first port of a sandbox. */
  sandbox(id: string): string;
  port(id: string, port: number): string;
  /** A port of this machine that leads to a `tcp` port. */
  tcp(publicPort: number): string;
}

export interface ApiConfig {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Host names that are served beside the loopback ones and the listen address, without a port. */
  readonly hostNames: readonly string[];
  /** Plain HTTP is for loopback unless someone who knows what is in front of it says otherwise. */
  readonly plainHttpBeyondLoopback: boolean;
  readonly version: string;
  /** Where people's browsers reach this server, without a slash at its end; known only once it listens. */
  readonly publicUrl: () => string;
  /** Origins whose pages may frame the page of a link. */
  readonly embedders: readonly string[];
  /** Default: those of `guard/rates.ts`. */
  readonly rates?: RateLimits;
}

/** One file of the console, made by its build. */
export interface ConsoleFile {
  readonly body: Buffer;
  readonly gzip: Buffer | undefined;
  readonly type: string;
  readonly etag: string;
}

export interface ConsoleFiles {
  /** By its path beneath the build; undefined where there is none. Waits for the build; throws unavailable where it failed. */
  file(path: string): Promise<ConsoleFile | undefined>;
}

export interface Readiness {
  readonly ready: boolean;
  /** What is being waited for, in words for people. */
  readonly detail?: string;
}

export interface ApiDeps extends Services {
  /** Absent where the edge is another process. */
  readonly edge?: EdgeFigures;
  /** Absent where nobody takes traces. */
  readonly traces?: Traces;
  readonly pages: ConsoleFiles;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly urls: SandboxUrls;
  /** Makes tokens of `domain/access-token.ts` with the edge's key. */
  readonly signAccess: (claim: AccessClaim) => string;
  readonly config: ApiConfig;
  /** Asked at each request. Until it says ready, only health, readiness, metrics and the docs are answered. */
  readonly readiness: () => Readiness;
}

/** Makes the addresses of sandboxes from the edge's domain and port. */
export function sandboxUrls(options: {
  readonly scheme: 'http' | 'https';
  readonly domain: string;
  readonly edgeHost: string;
  readonly port: () => number;
}): SandboxUrls {
  const { scheme, domain, edgeHost } = options;
  const usual = scheme === 'http' ? 80 : 443;
  const suffix = () => (options.port() === usual ? '' : `:${options.port()}`);
  return {
    domain,
    edge: () => `${scheme}://${edgeHost}${suffix()}`,
    sandbox: (id) => `${scheme}://${id}.${domain}${suffix()}`,
    tcp: (publicPort) => `tcp://${edgeHost.includes(':') ? `[${edgeHost}]` : edgeHost}:${publicPort}`,
    port: (id, port) => `${scheme}://${port}-${id}.${domain}${suffix()}`,
  };
}

/** Dependencies that are never called, for making the API's description. */
export function nothingBehind(): ApiDeps {
  const absent = new Proxy({} as never, {
    get: (_, name) => () => {
      throw new Error(`nothing is behind this API, and ${String(name)} was called`);
    },
  });
  return {
    ...{
      sandboxes: absent,
      templates: absent,
      keys: absent,
      sessions: absent,
      links: absent,
      hooks: absent,
      secrets: absent,
      audit: absent,
      quotas: absent,
      alerts: absent,
      vitals: { onPhase: () => () => {}, recent: absent },
      signAccess: absent,
      pages: absent,
      clock: absent,
      rng: absent,
      logger: absent,
      urls: absent,
    },
    config: {
      host: '127.0.0.1',
      port: 0,
      hostNames: [],
      plainHttpBeyondLoopback: false,
      version: '0',
      publicUrl: () => '',
      embedders: [],
    },
    readiness: () => ({ ready: false }),
  };
}
