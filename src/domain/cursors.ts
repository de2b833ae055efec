import { ArcError } from '../contract/errors.ts';

/**
 * Where a list goes on. Opaque to clients and checked here: one that was cut, altered, or belongs to another question
 * is refused rather than answered with the wrong page.
 */
const VERSION = '1';
const CURSOR_CHARS_MAX = 256;
const ID = /^[a-z0-9-]{1,80}$/;

/** @param question what was asked, in one canonical text; the next page must ask the same. */
export function encodeCursor(after: string, question: string): string {
  return `${VERSION}${checksum(`${question}\n${after}`)}${Buffer.from(after, 'utf8').toString('base64url')}`;
}

/** The id after which the next page begins. */
export function decodeCursor(cursor: string, question: string): string {
  const refuse = () => new ArcError('cursor_invalid', 'this cursor is not one of this list');
  if (cursor.length > CURSOR_CHARS_MAX || !cursor.startsWith(VERSION)) throw refuse();
  const after = Buffer.from(cursor.slice(9), 'base64url').toString('utf8');
  if (!ID.test(after) || encodeCursor(after, question) !== cursor) throw refuse();
  return after;
}

/** FNV-1a, 32 bits, as 8 hex digits: finds mistakes, does not stop forgers, who gain nothing by forging. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}
