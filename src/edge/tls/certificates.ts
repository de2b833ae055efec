import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { ArcError } from '../../contract/errors.ts';

/** A certificate with its chain, and its key, both PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** Where the edge's certificate comes from, and comes from again when it is renewed. */
export interface CertificateSource {
  /**
   * Tells `use` the identity that there is, and each later one, until closed. Throws where the first is no good. A
   * source that has yet to get its first one tells none: handshakes fail until then.
   */
  open(use: (identity: Identity) => void): Promise<void>;
  /** The edge listens: challenges are answered from now on. */
  listening?(): void;
  close(): void;
}

/** Throws `invalid_config` with what is wrong; gives until when it is valid, ms since the epoch. */
export function checkIdentity({ cert, key }: Identity, where: string): number {
  try {
    createSecureContext({ cert, key });
    return Date.parse(new X509Certificate(cert).validTo);
  } catch (cause) {
    throw new ArcError('invalid_config', `${where}: not a PEM certificate with its key: ${(cause as Error).message}`, {
      cause,
    });
  }
}
