import type { Clock } from '../../kit/clock.ts';
import type { Run, RunResult } from '../../kit/run.ts';

/** How long to wait for another program that holds the package database, ms. */
const LOCK_WAIT_MS = 120_000;
const LOCK_RETRY_MS = 1000;
/** Longest time for one call of apt-get, ms: the packages are some 100 MB on a slow line. */
const APT_TIMEOUT_MS = 900_000;
/** Asking what the lists know is local and quick. */
const QUERY_TIMEOUT_MS = 30_000;
/** Lines of apt's output that are told when it fails. */
const TOLD_LINES = 12;

const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY_MARK = '# put here by arc up while it installs packages; may be removed';
/** 101 is "action forbidden by policy": what is installed is not started as a service. */
const POLICY = `#!/bin/sh\n${POLICY_MARK}\nexit 101\n`;

export interface PolicyFile {
  /** Creates it executable; false when there is one already. */
  create(path: string, content: string): boolean;
  read(path: string): string | undefined;
  remove(path: string): void;
}

export interface AptDeps {
  readonly aptGet: string;
  readonly aptCache: string | undefined;
  readonly run: Run;
  readonly clock: Clock;
  readonly policy: PolicyFile;
  readonly say: (line: string) => void;
  readonly path: string;
  readonly signal?: AbortSignal;
}

/** Debian's and Ubuntu's package manager: one `update`, one `install`, no questions, no recommended packages, no service started. */
export class Apt {
  readonly #deps: AptDeps;

  constructor(deps: AptDeps) {
    this.#deps = deps;
  }

  /** Undefined when all went well, else what apt said at its end. */
  async update(): Promise<string | undefined> {
    const result = await this.#patiently(['update', '-q']);
    return result.code === 0 ? undefined : lastLines(result);
  }

  /** Which of these the package lists know. With no way to ask, all of them. */
  async known(packages: readonly string[]): Promise<ReadonlySet<string>> {
    const { aptCache, run } = this.#deps;
    if (aptCache === undefined) return new Set(packages);
    const result = await run([aptCache, 'policy', ...packages], { env: this.#env(), timeoutMs: QUERY_TIMEOUT_MS });
    if (result.code !== 0) return new Set(packages);
    const known = new Set<string>();
    let name = '';
    for (const line of result.stdout.split('\n')) {
      if (/^\S+:$/.test(line)) name = line.slice(0, -1);
      const candidate = /^\s+Candidate: (\S+)/.exec(line)?.[1];
      if (candidate !== undefined && candidate !== '(none)') known.add(name);
    }
    return known;
  }

  async install(packages: readonly string[]): Promise<string | undefined> {
    const undo = this.#keepServicesDown();
    try {
      const result = await this.#patiently(['install', '-q', '-y', '--no-install-recommends', ...packages]);
      return result.code === 0 ? undefined : lastLines(result);
    } finally {
      undo();
    }
  }

  /** A policy file of the machine's own is let be, whatever it says; one that a killed `up` left is ours to take over. */
  #keepServicesDown(): () => void {
    const { policy } = this.#deps;
    if (policy.read(POLICY_FILE)?.includes(POLICY_MARK)) policy.remove(POLICY_FILE);
    if (!policy.create(POLICY_FILE, POLICY)) return () => {};
    return () => policy.remove(POLICY_FILE);
  }

  /** apt waits for dpkg's lock itself, but not for that of the package lists. */
  async #patiently(args: readonly string[]): Promise<RunResult> {
    const { aptGet, run, clock, say, signal } = this.#deps;
    const deadline = clock.monotonic() + LOCK_WAIT_MS;
    const options = ['-o', `DPkg::Lock::Timeout=${LOCK_WAIT_MS / 1000}`, '-o', 'Dpkg::Options::=--force-confold'];
    for (let told = false; ; told = true) {
      const result = await run([aptGet, ...options, ...args], {
        env: this.#env(),
        timeoutMs: APT_TIMEOUT_MS,
        ...(signal === undefined ? {} : { signal }),
      });
      const locked = result.code !== 0 && /Could not get lock|Unable to lock/.test(result.stderr);
      if (!locked || clock.monotonic() >= deadline) return result;
      if (!told) say(`another program holds the package database; waiting up to ${LOCK_WAIT_MS / 1000} s for it`);
      await clock.sleep(LOCK_RETRY_MS, signal);
    }
  }

  #env(): Record<string, string> {
    return {
      PATH: this.#deps.path,
      LC_ALL: 'C',
      DEBIAN_FRONTEND: 'noninteractive',
      NEEDRESTART_SUSPEND: '1',
      UCF_FORCE_CONFFOLD: '1',
    };
  }
}

function lastLines(result: RunResult): string {
  if (result.notStarted !== undefined) return result.notStarted;
  const lines = `${result.stdout}\n${result.stderr}`.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => /^[EW]:/.test(line));
  const told = (errors.length > 0 ? errors : lines).slice(-TOLD_LINES).join('\n');
  return result.signal === null ? told : `${told}\n(ended by ${result.signal})`;
}
