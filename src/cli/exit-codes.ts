/** What the command line ends with. `docs/reference/cli.md` has the same list. */
export const EXIT = {
  ok: 0,
  /** The server refused or something failed; the message says what. */
  failed: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** No server answers, or it is starting or stopping. */
  unavailable: 69,
  /** `run` and `exec`: the program was stopped by `--timeout`. */
  timeout: 124,
  /** `run` and `exec`: Arc failed, not the program. */
  arcFailed: 125,
  /** `run` and `exec`: there is no such program in the sandbox. */
  commandNotFound: 127,
  /** Whoever read the output went away: 128 + SIGPIPE. */
  brokenPipe: 141,
} as const;

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGSYS: 31,
};

/** The shell's convention for a program that a signal ended. */
export function signalExitCode(signal: string): number {
  return 128 + (SIGNAL_NUMBERS[signal] ?? 0);
}
