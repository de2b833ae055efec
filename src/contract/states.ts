/** The states of a sandbox. Which may follow which is decided in `domain/lifecycle.ts`. */
export const STATES = ['queued', 'starting', 'running', 'warned', 'frozen', 'stopped', 'failed', 'removed'] as const;
export type State = (typeof STATES)[number];

/** Who or what caused a change of state. Shown to people beside the state. */
export const REASONS = [
  'user', // a person or client asked for it
  'created', // the first life of a new sandbox
  'claimed', // handed over from a pool, where it had been started and was waiting
  'ready', // its readiness check passed
  'exit', // its command ended by itself; see `exit`
  'oom', // the kernel killed it for memory
  'start-failed', // it could not be started; see `detail`
  'not-ready', // its readiness check did not pass within its time limit
  'ttl', // its time to live ran out
  'extend', // a person asked for more time
  'network', // a person changed what it may connect to; its state stays
  'soft-limit', // idle for its soft limit
  'hard-limit', // idle for its hard limit
  'wake', // a request woke it
  'restart', // a person restarted it
  'reset', // a person asked for it to be fresh
  'adopted', // found running after Arc itself was restarted
  'node-lost', // the machine that held it was restarted or is gone
  'pressure', // the node had to make room
] as const;
export type Reason = (typeof REASONS)[number];

/** Levels of isolation, weakest first. A create may ask for more than its template, never less. */
export const LEVELS = ['wasm', 'jail', 'container', 'gvisor', 'kata', 'microvm'] as const;
export type Level = (typeof LEVELS)[number];
