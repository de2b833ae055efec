import { ArcError } from '../../contract/errors.ts';

/**
 * Names in archives. A name is bytes; here it travels as a string of one character per byte (latin1), so that names
 * which are not UTF-8 come out as they went in.
 */
export type ByteString = string;

export const toBytes = (name: ByteString): Buffer => Buffer.from(name, 'latin1');
export const fromText = (text: string): ByteString => Buffer.from(text, 'utf8').toString('latin1');

/** For messages: readable, short, with odd characters escaped. */
export const show = (name: ByteString): string => JSON.stringify(toBytes(name).toString('utf8').slice(0, 200));

export const NAME_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;

export const refuse = (why: string): ArcError => new ArcError('archive_refused', why);

/** The components of an entry's name, none of which climbs. The root of the archive is an empty list. */
export function components(name: ByteString): string[] {
  if (name.length > PATH_BYTES_MAX) throw refuse(`a name is longer than ${PATH_BYTES_MAX} bytes: ${show(name)}`);
  if (name.includes('\0')) throw refuse(`a name holds a zero byte: ${show(name)}`);
  if (name.startsWith('/')) throw refuse(`an absolute name: ${show(name)}`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  for (const part of parts) {
    if (part === '..') throw refuse(`a name climbs out: ${show(name)}`);
    if (part.length > NAME_BYTES_MAX)
      throw refuse(`a part of a name is longer than ${NAME_BYTES_MAX} bytes: ${show(name)}`);
  }
  return parts;
}
