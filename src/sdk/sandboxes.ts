import { ArcError } from '../contract/errors.ts';
import type { Stats } from '../contract/schemas/exec.ts';
import type { CreateRequest, Sandbox as SandboxView } from '../contract/schemas/sandbox.ts';
import type { State } from '../contract/states.ts';
import type { Context } from './context.ts';
import { Sandbox, type WaitOptions } from './sandbox.ts';

export interface ListOptions {
  /** All must match: `key=value`, or `key` for any value. */
  readonly labels?: readonly string[];
  readonly state?: State;
  readonly template?: string;
  /** Sandboxes asked for at once; the iterator gives all of them in any case. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

export interface CreateOptions extends WaitOptions {
  /** The same key with the same request gives the same sandbox, also after a lost answer. */
  readonly idempotencyKey?: string;
}

export class Sandboxes {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Resolves once it is ready, unless `wait` says otherwise. */
  async create(request: CreateRequest, options: CreateOptions = {}): Promise<Sandbox> {
    const { wait, idempotencyKey, signal } = options;
    const info = await this.#context.http.json<SandboxView>('POST', '/v1/sandboxes', {
      query: { wait },
      json: request,
      ...(idempotencyKey === undefined ? {} : { headers: { 'idempotency-key': idempotencyKey } }),
      signal,
    });
    return new Sandbox(this.#context, info.id, info);
  }

  async get(id: string): Promise<Sandbox> {
    const sandbox = this.handle(id);
    await sandbox.refresh();
    return sandbox;
  }

  /** A sandbox of which only the id is known; asks the server nothing. */
  handle(id: string): Sandbox {
    return new Sandbox(this.#context, id);
  }

  /** All that match, page by page. */
  async *list(options: ListOptions = {}): AsyncGenerator<Sandbox, void, void> {
    const { labels, state, template, pageSize = 100, signal } = options;
    const seen = new Set<string>();
    for (let cursor: string | undefined; ; ) {
      const query = { label: labels, state, template, limit: pageSize, cursor };
      const page = await this.#context.http.json<{ items: SandboxView[]; nextCursor?: string }>(
        'GET',
        '/v1/sandboxes',
        {
          query,
          signal,
        },
      );
      for (const info of page.items) yield new Sandbox(this.#context, info.id, info);
      cursor = page.nextCursor;
      if (cursor === undefined) return;
      if (seen.has(cursor)) throw new ArcError('internal', 'the server gave the same page twice');
      seen.add(cursor);
    }
  }

  async remove(id: string): Promise<void> {
    await this.handle(id).remove();
  }
  restart(id: string, options: WaitOptions = {}): Promise<SandboxView> {
    return this.handle(id).restart(options);
  }
  reset(id: string, options: WaitOptions = {}): Promise<SandboxView> {
    return this.handle(id).reset(options);
  }
  extend(id: string, by: string): Promise<SandboxView> {
    return this.handle(id).extend(by);
  }

  /** What every running sandbox uses now. */
  async stats(options: { readonly labels?: readonly string[] } = {}): Promise<readonly Stats[]> {
    const all: Stats[] = [];
    for (let cursor: string | undefined; ; ) {
      const query = { label: options.labels, limit: 1_000, cursor };
      const page = await this.#context.http.json<{ items: Stats[]; nextCursor?: string }>('GET', '/v1/stats', {
        query,
      });
      all.push(...page.items);
      if (page.nextCursor === undefined || page.nextCursor === cursor) return all;
      cursor = page.nextCursor;
    }
  }
}
