import { ArcError, toProblem } from '../contract/errors.ts';
import { clean } from './clean.ts';
import { UsageError } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { BrokenPipe, type Output } from './output.ts';

/** Says what happened and what to do, one line each, and gives the exit code. */
export async function reportFailure(error: unknown, err: Output, options: { readonly json: boolean }): Promise<number> {
  if (error instanceof BrokenPipe) return EXIT.brokenPipe;
  const code = exitCodeOf(error);
  const { detail, hint } = words(error);
  try {
    if (options.json) await err.json({ error: problemOf(error, detail, hint) });
    else {
      await err.line(`arc: ${clean(detail)}`);
      if (hint) await err.line(`     ${clean(hint)}`);
    }
  } catch {
    // Nobody reads the errors either; the exit code still says it.
  }
  return code;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof ArcError && (error.code === 'not_connected' || error.code === 'unavailable'))
    return EXIT.unavailable;
  return EXIT.failed;
}

function words(error: unknown): { detail: string; hint: string | undefined } {
  if (error instanceof UsageError) return { detail: error.message, hint: error.hint };
  if (error instanceof ArcError) return { detail: `${error.message} (${error.code})`, hint: error.hint };
  return { detail: error instanceof Error ? error.message : String(error), hint: undefined };
}

function problemOf(error: unknown, detail: string, hint: string | undefined): unknown {
  if (error instanceof ArcError) return toProblem(error);
  return { code: error instanceof UsageError ? 'usage' : 'failed', detail, ...(hint ? { hint } : {}) };
}

/** For `run` and `exec`, whose own exit codes are the program's: Arc's failures have codes of their own. */
export async function arcFailure(error: unknown, err: Output, options: { readonly json: boolean }): Promise<number> {
  const code = await reportFailure(error, err, options);
  if (error instanceof ArcError && error.code === 'command_not_found') return EXIT.commandNotFound;
  return code === EXIT.failed ? EXIT.arcFailed : code;
}
