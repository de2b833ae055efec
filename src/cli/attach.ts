import type { Session, SessionExit } from '../sdk/session.ts';
import type { CliEnv, InputStream } from './env.ts';
import { EXIT, signalExitCode } from './exit-codes.ts';
import type { Interruption } from './interruption.ts';
import { BrokenPipe, type Output } from './output.ts';
import { ScreenModes } from './screen-modes.ts';

/** How long a program may take to end after a signal before it is killed, ms. */
export const GRACE_MS = 5_000;

/** How long it may take to end when nobody reads its output any more, ms. */
const UNREAD_GRACE_MS = 1_000;

export interface Attachment {
  readonly env: CliEnv;
  readonly out: Output;
  readonly err: Output;
  readonly interruption: Interruption;
  /** `false`: the program's input is closed at once. */
  readonly input: boolean;
}

/** Joins a program to our own input and output until it ends. Rejects with BrokenPipe when nobody reads its output. */
export async function attach(session: Session, attachment: Attachment): Promise<SessionExit> {
  return session.tty ? attachTerminal(session, attachment) : attachStreams(session, attachment);
}

/** With a word on stderr where the number alone does not tell why it ended. */
export async function exitCode(exit: SessionExit, err: Output): Promise<number> {
  if (exit.timedOut) await err.line('arc: it was ended: the time of --timeout is over');
  else if (exit.oom) await err.line('arc: it was ended: out of memory; its sandbox needs a higher limit');
  if (exit.timedOut) return EXIT.timeout;
  if (exit.signal !== null) return signalExitCode(exit.signal);
  return exit.code ?? EXIT.arcFailed;
}

async function attachStreams(session: Session, attachment: Attachment): Promise<SessionExit> {
  const { env, interruption, input } = attachment;
  const done = new AbortController();
  const stopListening = interruption.listen((signal, count) => {
    if (count > 1) session.signal('SIGKILL').catch(() => {});
    else
      session
        .signal(signal)
        .then(() => killLater(session, env, done.signal))
        .catch(() => {});
  });
  const stopInput = input ? pump(env.stdin, session) : noInput(session);
  try {
    await copyOutput(session, attachment);
    return await session.exit;
  } catch (error) {
    if (error instanceof BrokenPipe) await endUnread(session, env);
    throw error;
  } finally {
    done.abort();
    stopListening();
    stopInput();
    session.leave();
  }
}

async function attachTerminal(session: Session, attachment: Attachment): Promise<SessionExit> {
  const { env, out, interruption, input } = attachment;
  const raw = input && env.stdin.isTTY === true;
  const resize = () => {
    session.resize(out.stream.columns ?? 80, out.stream.rows ?? 24).catch(() => {});
  };
  const modes = new ScreenModes();
  // In raw mode Ctrl-C is a byte for the program; a signal that still comes means that we are to go.
  const stopListening = interruption.listen(() => session.leave());
  let stopInput = () => {};
  let ended = false;
  try {
    if (raw) env.stdin.setRawMode?.(true);
    out.stream.on('resize', resize);
    resize();
    stopInput = input ? pump(env.stdin, session) : () => {};
    for await (const { data } of session.output) {
      modes.see(data);
      await out.write(data);
    }
    const exit = await session.exit;
    ended = true;
    return exit;
  } finally {
    stopListening();
    out.stream.off('resize', resize);
    if (raw) env.stdin.setRawMode?.(false);
    stopInput();
    session.leave();
    // What we have to say about a program that was cut off begins on a line of its own.
    if (out.isTTY) await out.write(modes.undo() + (ended ? '' : '\r\n')).catch(() => {});
  }
}

/** As in a pipe here: whoever writes to nobody is told by SIGPIPE. What ignores that would wait for a reader for ever. */
async function endUnread(session: Session, env: CliEnv): Promise<void> {
  const ended = new AbortController();
  const killing = env.clock.sleep(UNREAD_GRACE_MS, ended.signal).then(
    () => session.signal('SIGKILL'),
    () => {},
  );
  try {
    await session.signal('SIGPIPE');
    await session.drain();
  } catch {
    // The connection is gone too; there is nothing more to be done from here.
  }
  ended.abort();
  await killing.catch(() => {});
}

async function copyOutput(session: Session, { out, err }: Attachment): Promise<void> {
  for await (const { stream, data } of session.output) await (stream === 'stderr' ? err : out).write(data);
}

/** Gives our input to the program. The function that is returned lets go of the input. */
function pump(stdin: InputStream, session: Session): () => void {
  const run = async () => {
    for await (const chunk of stdin) await session.write(chunk);
    await session.closeStdin();
  };
  // A program that reads no more, or has ended, is no error here: its exit says what happened.
  run().catch(() => {});
  return () => {
    stdin.destroy();
  };
}

function noInput(session: Session): () => void {
  session.closeStdin().catch(() => {});
  return () => {};
}

async function killLater(session: Session, env: CliEnv, done: AbortSignal): Promise<void> {
  try {
    await env.clock.sleep(GRACE_MS, done);
    await session.signal('SIGKILL');
  } catch {
    // It ended by itself, which is what was waited for.
  }
}
