import type { VerifiedLevel, VerifyReport } from '../../contract/schemas/verify.ts';
import { refuses } from '../../domain/verify/verdict.ts';
import type { EngineVerify } from '../../engines/engine.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Levels } from '../levels.ts';
import { notVerified, type VerifyParts, verifyLevel } from './verify-level.ts';

/** Where reports outlive the server. */
export interface VerifyMemory {
  /** Of this machine as it is now: same boot, same kernel, same programs, same Arc. */
  recall(): Promise<VerifyReport | undefined>;
  keep(report: VerifyReport): Promise<void>;
}

export interface VerifierDeps {
  readonly node: string;
  readonly levels: Levels;
  readonly parts: VerifyParts;
  readonly memory: VerifyMemory;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Runs the adversary at every level of this node, one level after the other, and keeps what came of it. */
export class Verifier implements EngineVerify {
  readonly #deps: VerifierDeps;
  #last: VerifyReport | undefined;
  #running: Promise<VerifyReport> | undefined;

  constructor(deps: VerifierDeps) {
    this.#deps = deps;
  }

  async last(): Promise<VerifyReport | undefined> {
    return this.#last;
  }

  run(): Promise<VerifyReport> {
    return this.#once(() => true);
  }

  /**
   * At the start of a node: what was found on this very machine since it was booted is taken over, else it is tried now. By
   * emulation it would keep the processors busy for minutes; such a level is verified when somebody asks for it.
   */
  async atStart(): Promise<void> {
    if (!(await this.recall())) await this.#once((emulated) => !emulated);
  }

  /** Takes over what was found on this very machine since it was booted; `false`: nothing was. */
  async recall(): Promise<boolean> {
    const known = await this.#deps.memory.recall();
    if (known !== undefined) this.#take(known);
    return known !== undefined;
  }

  #once(wanted: (emulated: boolean) => boolean): Promise<VerifyReport> {
    this.#running ??= this.#all(wanted).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #all(wanted: (emulated: boolean) => boolean): Promise<VerifyReport> {
    const { levels, parts, clock, node, memory, log } = this.#deps;
    const verified: VerifiedLevel[] = [];
    const absent: VerifyReport['absent'] = [];
    for (const { report, runtime } of await levels.tried()) {
      const { level, note } = report;
      if (runtime === undefined) absent.push({ level, note });
      else if (runtime.unverifiable !== undefined) absent.push({ level, note: runtime.unverifiable });
      else if (wanted(report.emulated === true)) {
        const one = await verifyLevel(runtime, level, parts).catch((error: unknown) => {
          log.error({ err: error, level }, 'a level could not be verified');
          return notVerified(runtime, level, error);
        });
        verified.push(one);
        levels.verified(one, clock.now());
        if (refuses(one))
          log.error({ level, runtime: runtime.name }, 'a level failed its verification: it takes no work');
      }
    }
    const at = new Date(clock.now()).toISOString();
    const passed = verified.every((one) => one.passed);
    this.#last = { node, at, passed, levels: verified, absent };
    await memory.keep(this.#last).catch((error: unknown) => log.warn({ err: error }, 'a verification was not kept'));
    return this.#last;
  }

  #take(report: VerifyReport): void {
    this.#last = report;
    for (const one of report.levels) this.#deps.levels.verified(one, Date.parse(report.at));
  }
}
