import type { FastifyReply } from 'fastify';
import { ArcError } from '../../../contract/errors.ts';

/**
 * Signals of requests under way: each aborts when its client goes, and all of them when the server stops (`follow`
 * streams at once, since they would never end by themselves; the rest when draining is over).
 */
export class Live {
  readonly #requests = new Set<AbortController>();
  readonly #streams = new Set<AbortController>();
  readonly #whenIdle: (() => void)[] = [];
  #answers = 0;
  #draining = false;

  get draining(): boolean {
    return this.#draining;
  }

  /** Counts an answer until its last byte, or until its client is gone. */
  count(reply: FastifyReply): void {
    this.#answers += 1;
    reply.raw.once('close', () => {
      this.#answers -= 1;
      if (this.#answers === 0) for (const tell of this.#whenIdle.splice(0)) tell();
    });
  }

  /** Resolves when nothing is being answered. */
  idle(): Promise<void> {
    if (this.#answers === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
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
    if (this.#draining && kind === 'stream') controller.abort(new ArcError('unavailable', 'the server is stopping'));
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
    for (const controller of this.#streams) controller.abort(new ArcError('unavailable', 'the server is stopping'));
  }

  abortAll(): void {
    for (const controller of this.#requests) controller.abort(new ArcError('unavailable', 'the server is stopping'));
  }
}
