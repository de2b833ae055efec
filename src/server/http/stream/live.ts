import type { FastifyReply } from 'fastify';

/**
 * Signals of requests under way: each aborts when its client goes, and all of them when the server stops (`follow`
 * streams at once, since they would never end by themselves; the rest when draining is over).
 */
export class Live {
  readonly #requests = new Set<AbortController>();
  readonly #streams = new Set<AbortController>();
  #draining = false;

  get draining(): boolean {
    return this.#draining;
  }

  get count(): number {
    return this.#requests.size + this.#streams.size;
  }

  /** Aborts when the client is gone before its answer was complete. */
  signal(reply: FastifyReply, kind: 'request' | 'stream' = 'request'): AbortSignal {
    const { signal, release } = this.open(kind);
    const { raw } = reply;
    raw.once('close', () => release(raw.writableFinished ? undefined : new Error('the client went away')));
    return signal;
  }

  open(kind: 'request' | 'stream'): { readonly signal: AbortSignal; release(reason?: Error): void } {
    const controller = new AbortController();
    const set = kind === 'stream' ? this.#streams : this.#requests;
    set.add(controller);
    if (this.#draining && kind === 'stream') controller.abort(new Error('the server is stopping'));
    return {
      signal: controller.signal,
      release: (reason) => {
        set.delete(controller);
        if (reason !== undefined) controller.abort(reason);
      },
    };
  }

  drain(): void {
    this.#draining = true;
    for (const controller of this.#streams) controller.abort(new Error('the server is stopping'));
  }

  abortAll(): void {
    for (const controller of this.#requests) controller.abort(new Error('the server is stopping'));
  }
}
