import type { Call } from './command.ts';
import { reportFailure } from './failure.ts';
import { BrokenPipe } from './output.ts';

/**
 * Does the same to each of several things. One that fails is told and doesn't keep the others from being done; the exit
 * code is the first failure's.
 */
export async function forEachId(
  call: Call,
  ids: readonly string[],
  act: (id: string) => Promise<{ readonly json: unknown; readonly text: string }>,
): Promise<number> {
  let code = 0;
  for (const id of ids) {
    try {
      const { json, text } = await act(id);
      if (call.json) await call.out.json(json);
      else await call.out.line(text);
    } catch (error) {
      if (error instanceof BrokenPipe) throw error;
      const failed = await reportFailure(error, call.err, { json: call.json });
      if (code === 0) code = failed;
    }
  }
  return code;
}
