import { ArcError, client } from 'arc/sdk';

/** Runs what a visitor typed: its output as it comes, a time limit, and nothing left afterwards. */

const { ARC_URL = 'http://127.0.0.1:7700', ARC_API_KEY = '' } = process.env;
const arc = client({ url: ARC_URL, key: ARC_API_KEY });

async function run(code: string): Promise<void> {
  await using sandbox = await arc.sandboxes.create({
    template: 'python',
    network: 'none',
    memory: '128MiB',
    ttl: '2m',
  });
  await using program = await sandbox.spawn(['python3', '-u', '-c', code], { timeout: '5s' });
  for await (const { stream, data } of program.output) process[stream].write(data);
  const { code: exit, timedOut } = await program.exit;
  console.log(timedOut ? '(it took too long)' : `(it ended with ${exit})`);
}

try {
  await run('for n in range(3): print(n * n)');
  await run('while True: pass');
} catch (error) {
  // `at_capacity`, `quota_exceeded`, `rate_limited`, …: the code is stable, and `hint` is for people.
  if (!(error instanceof ArcError)) throw error;
  console.error(`${error.code}: ${error.message}${error.retryable ? '; try again' : ''}`);
  process.exitCode = 1;
}
