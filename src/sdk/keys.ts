import type { KeyRequest, KeyView } from '../contract/schemas/admin.ts';
import type { Context } from './context.ts';

export class Keys {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The secret is given here once and never again. */
  create(request: KeyRequest): Promise<KeyView & { readonly secret: string }> {
    return this.#context.http.json('POST', '/v1/keys', { json: request });
  }

  async list(): Promise<readonly KeyView[]> {
    return (await this.#context.http.json<{ items: KeyView[] }>('GET', '/v1/keys')).items;
  }

  async revoke(id: string): Promise<void> {
    await this.#context.http.json('DELETE', `/v1/keys/${encodeURIComponent(id)}`);
  }
}
