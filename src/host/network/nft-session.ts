import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Clock } from '../../kit/clock.ts';
import { giveUp } from '../../kit/limit.ts';

/** Sends commands to one `nft` that stays, since a process for each of them costs twenty times what the kernel's work does. */
export interface NftSession {
  /** One transaction, which must add something. `false`: it was not carried out, whatever the reason. */
  apply(commands: readonly string[]): Promise<boolean>;
  close(): void;
}

const ANSWER_MS = 10_000;
/** Answered with one line by nft itself, whatever is in the kernel: what was asked before is over by then. */
const FENCE = 'describe ip ttl';
const FENCE_ANSWER = /^payload expression/;
/** With `--echo` the kernel's own account of what it has added comes back. */
const ADDED = /^add element /;

interface Waiting {
  added: boolean;
  done(ok: boolean): void;
}

export function nftSession(nft: string, clock: Clock): NftSession {
  let child: ChildProcessWithoutNullStreams | undefined;
  let waiting: Waiting[] = [];
  let closed = false;
  const end = (which: ChildProcessWithoutNullStreams) => {
    if (child !== which) return;
    child = undefined;
    for (const one of waiting.splice(0)) one.done(false);
  };
  const begin = () => {
    const started = spawn(nft, ['--echo', '--interactive'], { env: {}, stdio: 'pipe' });
    started.on('error', () => end(started));
    started.on('exit', () => end(started));
    started.stdin.on('error', () => {}); // its end says so
    started.stderr.resume();
    createInterface({ input: started.stdout }).on('line', (line) => {
      if (ADDED.test(line) && waiting[0]) waiting[0].added = true;
      if (!FENCE_ANSWER.test(line)) return;
      const first = waiting.shift();
      first?.done(first.added);
    });
    started.unref();
    return started;
  };
  return {
    apply: async (commands) => {
      if (closed) return false;
      child ??= begin();
      const here = child;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      waiting.push({ added: false, done: resolve });
      here.stdin.write(`${commands.join('; ')}\n${FENCE}\n`);
      return await giveUp(clock, promise, { ms: ANSWER_MS }).catch(() => {
        here.kill('SIGKILL');
        end(here);
        return false;
      });
    },
    close: () => {
      closed = true;
      const last = child;
      child = undefined;
      waiting = [];
      last?.kill('SIGKILL');
    },
  };
}
