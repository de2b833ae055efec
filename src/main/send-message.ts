import { answerOf } from '../domain/hooks/retry.ts';
import { realClock } from '../kit/real.ts';
import type { Send } from '../server/core/hooks/send.ts';

/**
 * Posts one message of a hook. Redirects are not followed, since they would lead where no operator said; nothing of what
 * is answered is kept but the status.
 */
export const sendMessage: Send = async ({ url, headers, body }, signal) => {
  try {
    const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    // Read to its end, a small answer leaves the connection to the next message; a large one is not waited for.
    await response.body?.cancel().catch(() => {});
    return answerOf(response.status, response.headers.get('retry-after'), realClock.now());
  } catch (error) {
    return { kind: 'down', detail: reasonOf(error) };
  }
};

/** The innermost message is the one that says what happened: `fetch failed` does not. */
function reasonOf(error: unknown): string {
  let text = String(error);
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    text = at.message || ('code' in at ? String(at.code) : text);
  }
  return text;
}
