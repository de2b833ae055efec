import { ArcError } from '../../contract/errors.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { clean, missingCapability } from '../../domain/missing-capability.ts';
import type { RuntimeFailed } from '../../host/helper/port.ts';

/** What the runtime printed, made into an error for a person: first the kinds they can do something about. */
export function startFailure(failed: RuntimeFailed, spec: ResolvedSpec): ArcError {
  const said = clean(failed.output);
  if (failed.oom || isMemory(said)) {
    return new ArcError('memory_too_small', `${spec.limits.memoryBytes} bytes are not enough to start it`, {
      cause: failed,
    });
  }
  if (isNotFound(said)) {
    return new ArcError('command_not_found', `"${spec.command[0]}" was not found, or is not a program: ${said}`, {
      cause: failed,
    });
  }
  const missing = missingCapability(said, spec);
  if (missing !== undefined) return missing;
  return new ArcError('start_failed', said === '' ? failed.message : said, { cause: failed });
}

export function execFailure(failed: RuntimeFailed, command: readonly string[]): ArcError {
  const said = clean(failed.output);
  if (isNotFound(said)) {
    return new ArcError('command_not_found', `"${command[0]}" was not found, or is not a program: ${said}`, {
      cause: failed,
    });
  }
  return new ArcError('exec_failed', said === '' ? failed.message : said, { cause: failed });
}

function isNotFound(said: string): boolean {
  return (
    /executable file .*not found/i.test(said) ||
    /(exec|executing|open executable|starting container).*(no such file or directory|permission denied|operation not permitted|exec format error)/is.test(
      said,
    ) ||
    /error finding executable|failed to load .*(no such file|permission denied|exec format)/is.test(said) ||
    /is a directory|not a regular file/i.test(said)
  );
}

function isMemory(said: string): boolean {
  return /cannot allocate memory|out of memory|signal: killed|resource temporarily unavailable/i.test(said);
}
