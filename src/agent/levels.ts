import { ArcError } from '../contract/errors.ts';
import type { VerifiedLevel } from '../contract/schemas/verify.ts';
import { LEVELS, type Level } from '../contract/states.ts';
import { failedChecks, findingsInShort, refuses } from '../domain/verify/verdict.ts';
import type { LevelReport } from '../engines/engine.ts';
import type { Runtime } from '../runtimes/runtime.ts';

/** Why a level that is in the words is not on this node at all. */
const ABSENT: Readonly<Record<Level, string>> = {
  wasm: 'its engines are not installed; run `npm ci`',
  jail: 'bubblewrap is not installed, or the jail kit could not be compiled; install bubblewrap',
  container: 'neither crun nor runc works here; install crun',
  gvisor: 'runsc is not installed; install runsc',
  kata: 'kata-runtime is not installed; it also needs /dev/kvm',
  microvm: 'nothing to make virtual machines from is here; make it with `arc kit`, then start Arc again',
};

export interface Absent {
  readonly note: string;
  /** What would bring it, where that is not the same on every machine. */
  readonly how?: string;
}

/**
 * What this node can give, found out by trying, once for each runtime. The first that gives a level has it, so the order of
 * the runtimes is the order of preference; those behind it are not even tried before somebody wants to know.
 */
export class Levels {
  readonly #runtimes: readonly Runtime[];
  readonly #verdicts = new Map<Level, { readonly found: VerifiedLevel; readonly at: number }>();
  readonly #absent: (level: Level) => Absent;
  readonly #tries = new Map<Runtime, Promise<readonly LevelReport[]>>();

  constructor(runtimes: readonly Runtime[], absent: (level: Level) => Absent = (level) => ({ note: ABSENT[level] })) {
    this.#runtimes = runtimes;
    this.#absent = absent;
  }

  /** Those of runtimes that are here, whether they work or not. */
  get levels(): readonly Level[] {
    return LEVELS.filter((level) => this.#runtimes.some((runtime) => runtime.levels.includes(level)));
  }

  async reports(): Promise<readonly LevelReport[]> {
    return (await this.tried()).map(({ report }) => this.#withVerdict(report));
  }

  /** What the runtimes themselves say, whatever an adversary found; with the runtime of each level that is to be had. */
  async tried(): Promise<readonly { readonly report: LevelReport; readonly runtime?: Runtime }[]> {
    const best = new Map<Level, { report: LevelReport; runtime?: Runtime }>();
    for (const runtime of this.#runtimes) {
      for (const report of await this.#try(runtime)) {
        const known = best.get(report.level)?.report;
        if (known !== undefined && (known.available || !report.available)) continue;
        best.set(report.level, report.available ? { report, runtime } : { report });
      }
    }
    return LEVELS.map((level) => best.get(level) ?? { report: { level, available: false, ...this.#absent(level) } });
  }

  /** What an adversary found at a level. One that it found something at takes no work until it is verified again. */
  verified(found: VerifiedLevel, at: number): void {
    this.#verdicts.set(found.level, { found, at });
  }

  #withVerdict(report: LevelReport): LevelReport {
    const verdict = this.#verdicts.get(report.level);
    if (verdict === undefined || !report.available) return report;
    const { found, at } = verdict;
    const verified = { at, passed: found.passed, findings: failedChecks(found).length };
    if (!refuses(found)) return { ...report, verified };
    const note = `it failed its verification here and takes no work: ${findingsInShort(found)}`;
    return { ...report, available: false, note, verified };
  }

  /** Throws isolation_unavailable or level_refused, with the levels that can be had. Never gives a weaker one instead. */
  async runtimeFor(level: Level): Promise<Runtime> {
    const verdict = this.#verdicts.get(level);
    if (verdict !== undefined && refuses(verdict.found)) {
      const levels = (await this.reports()).filter(({ available }) => available).map((report) => report.level);
      const why = findingsInShort(verdict.found);
      throw new ArcError('level_refused', `the level "${level}" failed its verification on this node: ${why}`, {
        extra: { levels },
      });
    }
    for (const runtime of this.#runtimes) {
      const reports = await this.#try(runtime);
      if (reports.some((report) => report.level === level && report.available)) return runtime;
    }
    const reports = await this.reports();
    const why = reports.find((report) => report.level === level)?.note ?? this.#absent(level).note;
    const levels = reports.filter((report) => report.available).map((report) => report.level);
    throw new ArcError('isolation_unavailable', `the level "${level}" is not to be had on this node: ${why}`, {
      hint: levels.length === 0 ? 'Run `arc doctor`.' : `Ask for one of: ${levels.join(', ')}.`,
      extra: { levels },
    });
  }

  /** Kept, unless the trying itself failed: then it is tried again at the next need. */
  #try(runtime: Runtime): Promise<readonly LevelReport[]> {
    const known = this.#tries.get(runtime);
    if (known !== undefined) return known;
    const trying = runtime.probe();
    this.#tries.set(runtime, trying);
    trying.catch(() => this.#tries.delete(runtime));
    return trying;
  }
}
