import { ArcError } from '../../contract/errors.ts';

/** Says in the registry's codes what went wrong with a file of ours. */
export function fileError(cause: unknown, what: string): unknown {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ArcError('disk_full', `no space left for ${what}`, { cause });
  }
  if (code === 'EPERM' || code === 'EACCES') {
    return new ArcError('not_root', `${what}: owners and modes of an image can only be kept by root`, { cause });
  }
  return cause;
}
