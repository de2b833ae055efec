import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { runCli } from '../cli/index.ts';
import { realClock } from '../kit/real.ts';

/** The entry: hands the process's own things in, and ends with the command's exit code. */
const packageFile = new URL('../../package.json', import.meta.url);

const code = await runCli(process.argv.slice(2), {
  // Made only when it is read: merely touching it opens it.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  cwd: process.cwd(),
  home: homedir(),
  uid: process.getuid?.() ?? -1,
  version: (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version,
  clock: realClock,
  // Loaded only when they are called: `arc ls` must be quick.
  up: async (argv) => (await import('./up.ts')).up(argv),
  down: async (argv) => (await import('./down.ts')).down(argv),
  doctor: async (argv) => (await import('./doctor.ts')).doctor(argv),
  kit: async (argv) => (await import('./kit.ts')).kit(argv),
  dev: async (argv) => (await import('./dev.ts')).dev(argv),
  nodeLook: async (dataDir) => (await import('./node-look.ts')).nodeLook(dataDir),
  onSignal: (signal, listener) => {
    process.on(signal, listener);
    return () => process.off(signal, listener);
  },
});
// Streams that are still open, such as a terminal's input, are no reason to stay. What was written is out: it was waited for.
process.exit(code);
