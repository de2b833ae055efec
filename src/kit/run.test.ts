import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from './run.ts';

const env = { PATH: '/usr/bin:/bin' };
const node = process.execPath;

test('gives what was printed and the exit code', async () => {
  const script = "process.stdout.write('out'); process.stderr.write('err'); process.exit(3)";
  const result = await runProgram([node, '-e', script], { env, timeoutMs: 10_000 });
  assert.deepEqual(result, { code: 3, signal: null, stdout: 'out', stderr: 'err' });
});

test('feeds stdin and survives a program that does not read it', async () => {
  const script = 'process.stdin.pipe(process.stdout)';
  assert.equal((await runProgram([node, '-e', script], { env, timeoutMs: 10_000, stdin: 'abc' })).stdout, 'abc');
  const deaf = await runProgram(['/bin/true'], { env, timeoutMs: 10_000, stdin: 'x'.repeat(1_000_000) });
  assert.equal(deaf.code, 0);
});

test('a program that is not there is told, not thrown', async () => {
  const result = await runProgram(['/no/such/program'], { env, timeoutMs: 1000 });
  assert.equal(result.code, null);
  assert.match(result.notStarted ?? '', /ENOENT/);
});

test('a program that takes too long is killed', async () => {
  const result = await runProgram(['/bin/sleep', '60'], { env, timeoutMs: 20 });
  assert.equal(result.signal, 'SIGKILL');
});

test('output beyond the limit is thrown away and the program goes on', async () => {
  const script = "process.stdout.write('x'.repeat(500000))";
  const result = await runProgram([node, '-e', script], { env, timeoutMs: 10_000, maxOutputBytes: 1000 });
  assert.equal(result.stdout.length, 1000);
  assert.equal(result.code, 0);
});

test('nothing of the environment is inherited', async () => {
  const result = await runProgram(['/usr/bin/env'], { env: { ONLY: 'this' }, timeoutMs: 10_000 });
  assert.equal(result.stdout, 'ONLY=this\n');
});
