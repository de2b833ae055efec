import type { IncomingHttpHeaders } from 'node:http';
import { ArcError } from '../../../contract/errors.ts';
import type { Caller, Keys } from '../../service.ts';
import { KEY_CHARS_MAX } from '../limits.ts';
import { type Access, allows } from './access.ts';

/** The subprotocol a browser's WebSocket offers beside `bearer.KEY`, since it can not send headers. */
export const SUBPROTOCOL = 'arc.v1';

/** Never from the URL: addresses end up in logs, histories and `Referer`. */
export async function authenticate(keys: Keys, headers: IncomingHttpHeaders, access: Access): Promise<Caller | null> {
  if (access === 'public') return null;
  const caller = await keys.authenticate(secretOf(headers));
  if (!allows(caller, access)) throw new ArcError('forbidden', `this needs the scope ${access}`);
  return caller;
}

function secretOf(headers: IncomingHttpHeaders): string {
  const header = headers.authorization;
  const secret = header === undefined ? fromSubprotocol(headers) : /^bearer +([!-~]+) *$/i.exec(header)?.[1];
  if (secret === undefined) throw new ArcError('unauthorized', 'no `Authorization: Bearer KEY` was sent');
  if (secret.length > KEY_CHARS_MAX) throw new ArcError('unauthorized', 'the key is not valid');
  return secret;
}

function fromSubprotocol(headers: IncomingHttpHeaders): string | undefined {
  if (headers.upgrade === undefined) return undefined;
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim());
  if (!offered.includes(SUBPROTOCOL)) return undefined;
  return offered.find((part) => part.startsWith('bearer.'))?.slice('bearer.'.length) || undefined;
}
