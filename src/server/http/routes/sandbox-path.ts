import { ArcError } from '../../../contract/errors.ts';
import { NAME_BYTES_MAX, PATH_BYTES_MAX } from '../limits.ts';

/** An absolute path of a sandbox as people write it → without doubled or trailing slashes and `.`. `..` is the engine's to resolve. */
export function sandboxPath(text: string): string {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  const path = `/${parts.join('/')}`;
  if (!text.startsWith('/') || text.includes('\0'))
    throw new ArcError('invalid_request', 'query.path: must be absolute');
  if (Buffer.byteLength(path) > PATH_BYTES_MAX || parts.some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX)) {
    throw new ArcError(
      'invalid_request',
      `query.path: more than ${PATH_BYTES_MAX} bytes, or ${NAME_BYTES_MAX} in one name`,
    );
  }
  return path;
}

export function joinPath(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

/** `0644` → 420 */
export function parseMode(text: string | undefined, usual: number): number {
  return text === undefined ? usual : Number.parseInt(text, 8);
}
