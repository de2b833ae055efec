import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

/** The call at which a process is stopped: the `nth` one of its kind that this process makes. */
export interface Step {
  readonly call: string;
  readonly nth: number;
}

export interface Trap extends AsyncDisposable {
  /** Pid of the process that has come to the step, and stands there. */
  sprung(): Promise<number>;
}

/**
 * Lays a trap, with strace, for a process and all that it starts from now on: whoever comes to the step first is stopped
 * right there. Nothing in the program knows of it. Disposing it lets go of whoever still stands.
 */
export async function layTrap(pid: number, { call, nth }: Step): Promise<Trap> {
  const file = join(tmpdir(), `arc-strace-${process.pid}-${pid}-${call}-${nth}`);
  const inject = `inject=${call}:signal=SIGSTOP:when=${nth}`;
  const argv = ['-f', '-p', String(pid), '-o', file, '-e', `trace=${call}`, '-e', inject];
  const strace = spawn('/usr/bin/strace', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => strace.once('close', resolve));
  let said = '';
  strace.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until(`strace follows ${pid}: ${said}`, async () => said.includes('attached'));
  let standing: number | undefined;
  return {
    sprung: () =>
      until(`somebody makes ${call} for the ${nth}. time`, async () => {
        const line = /^([0-9]+) +--- SIGSTOP /m.exec(readFileSync(file, 'utf8'));
        standing = line === null ? undefined : Number(line[1]);
        return standing;
      }),
    [Symbol.asyncDispose]: async () => {
      // Asked to end, it would wait for a process that waits in vfork for the very child that it holds.
      strace.kill('SIGKILL');
      await ended;
      if (standing !== undefined) letGo(standing);
      standing = undefined;
      rmSync(file, { force: true });
    },
  };
}

function letGo(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It is over already.
  }
}
