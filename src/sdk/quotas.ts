import type { QuotaRequest, QuotaView } from '../contract/schemas/quota.ts';
import type { Context } from './context.ts';

/** What owners may have. */
export class Quotas {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  get(owner: string): Promise<QuotaView> {
    return this.#context.http.json('GET', path(owner));
  }

  /** Of those for whom something was set. */
  async list(): Promise<readonly QuotaView[]> {
    return (await this.#context.http.json<{ items: QuotaView[] }>('GET', '/v1/quotas')).items;
  }

  /** In place of what was set for this owner before. */
  set(owner: string, quota: QuotaRequest): Promise<QuotaView> {
    return this.#context.http.json('PUT', path(owner), { json: quota });
  }

  async remove(owner: string): Promise<void> {
    await this.#context.http.json('DELETE', path(owner));
  }
}

const path = (owner: string): string => `/v1/quotas/${encodeURIComponent(owner)}`;
