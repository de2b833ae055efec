import type { Exit } from '../../contract/spec.ts';
import { RuntimeFailed } from '../../host/helper/port.ts';

/** Each question takes some tens of ms, so this is a matter of many seconds. */
const QUESTIONS_MAX = 500;
/** runsc ends with this when it fails itself; a program may too, but doesn't print what runsc prints then. */
const RUNTIME_FAILED = 128;
const RUNTIME_WORDS = /^running container: /m;

/**
 * Resolves once the runtime says that the program runs, or when the program ran and is over already. Throws RuntimeFailed
 * with what the runtime printed when it never did.
 * @param ended the end of the runtime, `undefined` when nobody waits for it any more
 * @param ask the `state` document of the runtime
 */
export async function guestRuns(
  ended: Promise<Exit | undefined>,
  ask: () => Promise<string>,
  lastOutput: () => Promise<string>,
): Promise<void> {
  for (let question = 0; question < QUESTIONS_MAX; question += 1) {
    const asking = ask();
    const answer = await Promise.race([ended, asking]);
    // Who asks runs as the sandbox's own root: it is gone, too, before this resolves.
    await asking;
    if (answer === undefined) return;
    if (typeof answer === 'string') {
      if (/"status":\s*"running"/.test(answer)) return;
      continue;
    }
    if (answer.code !== RUNTIME_FAILED && !answer.oom) return;
    const output = await lastOutput();
    if (!answer.oom && !RUNTIME_WORDS.test(output)) return;
    throw new RuntimeFailed('the runtime ended before the program ran', answer.code, output, answer.oom);
  }
  throw new RuntimeFailed('the runtime did not start the program in time', null, await lastOutput(), false);
}
