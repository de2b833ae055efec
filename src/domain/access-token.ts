import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AccessRule } from '../contract/spec.ts';

/**
 * Tokens that let a client through the edge to one sandbox. They are made from the sandbox's id by a key of the
 * server's, so none is kept anywhere; ids are never used again, so a token ends with its sandbox at the latest.
 */
export interface AccessClaim {
  readonly id: string;
  /** The only port that it is for; undefined: all. */
  readonly port: number | undefined;
  /** ms since the epoch; kept in whole seconds. */
  readonly expiresAt: number;
}

const TOKEN = /^1\.(all|[1-9][0-9]{0,4})\.([0-9a-z]{1,8})\.([A-Za-z0-9_-]{43})$/;

export function signAccess(key: Uint8Array, { id, port, expiresAt }: AccessClaim): string {
  const scope = port === undefined ? 'all' : String(port);
  const expires = Math.floor(expiresAt / 1_000).toString(36);
  return `1.${scope}.${expires}.${macOf(key, id, scope, expires).toString('base64url')}`;
}

/** Until when it is good for this port of this sandbox, ms since the epoch; undefined: it isn't. */
export function checkAccess(
  key: Uint8Array,
  token: string,
  { id, port, now }: { readonly id: string; readonly port: number; readonly now: number },
): number | undefined {
  const match = TOKEN.exec(token);
  if (!match) return undefined;
  const [, scope = '', expires = '', mac = ''] = match;
  const given = Buffer.from(mac, 'base64url');
  const expected = macOf(key, id, scope, expires);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const expiresAt = Number.parseInt(expires, 36) * 1_000;
  if (now >= expiresAt || (scope !== 'all' && scope !== String(port))) return undefined;
  return expiresAt;
}

function macOf(key: Uint8Array, id: string, scope: string, expires: string): Buffer {
  return createHmac('sha256', key).update(`arc edge access 1\n${id}\n${scope}\n${expires}`).digest();
}

/** Whether clients of this port need a token. Without a rule all are open; a rule by port closes what it doesn't name. */
export function needsToken(rule: AccessRule | undefined, port: number): boolean {
  if (rule === undefined || rule === 'open') return false;
  if (rule === 'token') return true;
  return (Object.hasOwn(rule, port) ? rule[port] : 'token') === 'token';
}
