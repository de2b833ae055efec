/**
 * A first process that does nothing but be there for commands: it reaps what they leave behind (as pid 1 it must, or
 * zombies fill the pid limit) and goes at SIGTERM.
 */
export const WAIT: readonly string[] = [
  '/bin/bash',
  '-c',
  'trap "exit 0" TERM INT; while :; do sleep infinity & wait; done',
];
