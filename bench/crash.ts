import { spawn } from 'node:child_process';
import { join } from 'node:path';

/**
 * The crash test's random kills, many more than CI does: server, helper or both, 300 times, counted from the kernel.
 *
 *     node bench/crash.ts [KILLS] [SEED]
 */
const [kills = '300', seed = '1'] = process.argv.slice(2);
const file = join(import.meta.dirname, '../test/e2e/crash.test.ts');
const child = spawn(process.execPath, [...process.execArgv, '--test', '--test-name-pattern=at random', file], {
  stdio: 'inherit',
  env: { ...process.env, ARC_TEST_KILLS: kills, ARC_TEST_SEED: seed },
});
child.on('exit', (code) => process.exit(code ?? 1));
