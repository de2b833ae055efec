import { cpuLookMs } from '../../domain/life-plan.ts';
import type { Core } from './context.ts';
import { type SandboxRow, targetOf } from './row.ts';

interface Sample {
  readonly incarnation: number;
  readonly at: number;
  readonly cpuMs: number;
}

/** Counts a busy program as use, for the templates that want it so. */
export class Busy {
  readonly #core: Core;
  readonly #samples = new Map<string, Sample>();

  constructor(core: Core) {
    this.#core = core;
  }

  async look(row: SandboxRow): Promise<void> {
    const { activity, clock, engine, logger } = this.#core;
    const { idle } = row.spec;
    if (idle?.cpus === undefined || (row.state !== 'running' && row.state !== 'warned')) {
      this.#samples.delete(row.id);
      return;
    }
    const last = this.#samples.get(row.id);
    if (last?.incarnation === row.incarnation && clock.monotonic() - last.at < cpuLookMs(idle) / 2) return;
    try {
      const cpuMs = (await engine.stats?.stats(targetOf(row)))?.cpuMs;
      if (cpuMs === undefined) return;
      const now = clock.monotonic();
      this.#samples.set(row.id, { incarnation: row.incarnation, at: now, cpuMs });
      const known = last?.incarnation === row.incarnation ? last : undefined;
      if (known && (cpuMs - known.cpuMs) / (now - known.at) >= idle.cpus) activity.touch(row.id);
    } catch (error) {
      // Not known: as if it were busy. Better late than wrong.
      logger.debug({ sandbox: row.id, error }, 'how busy a sandbox is could not be measured');
      activity.touch(row.id);
    }
  }
}
