import type { Exit } from '../../contract/spec.ts';

/** A start under way. */
export interface Job {
  readonly incarnation: number;
  /** Aborted by a removal or by `close`; whoever aborts it answers for the row. */
  readonly cancel: AbortController;
  /** Aborted when its program ended, so that nobody goes on asking whether it is ready. */
  readonly ended: AbortController;
  exit?: Exit;
}

export class Jobs {
  readonly #jobs = new Map<string, Job>();

  begin(id: string, incarnation: number): Job {
    const job: Job = { incarnation, cancel: new AbortController(), ended: new AbortController() };
    this.#jobs.set(id, job);
    return job;
  }

  end(id: string): void {
    this.#jobs.delete(id);
  }

  get size(): number {
    return this.#jobs.size;
  }

  cancel(id: string, reason: Error): void {
    this.#jobs.get(id)?.cancel.abort(reason);
  }

  cancelAll(reason: Error): void {
    for (const job of this.#jobs.values()) job.cancel.abort(reason);
  }

  exited(id: string, incarnation: number, exit: Exit): void {
    const job = this.#jobs.get(id);
    if (job?.incarnation !== incarnation) return;
    job.exit = exit;
    job.ended.abort(new Error('the program ended'));
  }
}
