import { spawn } from 'node:child_process';

/** Runs a program to its end and gives what it printed; throws with its stderr when it failed. */
export function run(program: string, args: readonly string[], cwd?: string, stdin?: string): Promise<string>;
export function run(
  program: string,
  args: readonly string[],
  cwd: string | undefined,
  stdin: string | undefined,
  output: 'buffer',
): Promise<Buffer>;
export function run(
  program: string,
  args: readonly string[],
  cwd?: string,
  stdin = '',
  output: 'text' | 'buffer' = 'text',
): Promise<string | Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const printed = Buffer.concat(out);
      if (code === 0) resolve(output === 'text' ? printed.toString() : printed);
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code}: ${Buffer.concat(err).toString()}`));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}
