import type { FlagView, SecretView } from '../contract/schemas/secret.ts';
import type { Context } from './context.ts';

/** Values that sandboxes get and nobody can read again. */
export class Secrets {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async list(): Promise<readonly SecretView[]> {
    return (await this.#context.http.json<{ items: SecretView[] }>('GET', '/v1/secrets')).items;
  }

  set(name: string, value: string): Promise<SecretView> {
    return this.#context.http.json('PUT', `/v1/secrets/${encodeURIComponent(name)}`, { json: { value } });
  }

  async remove(name: string): Promise<void> {
    await this.#context.http.json('DELETE', `/v1/secrets/${encodeURIComponent(name)}`);
  }

  /** What an owner is to find in sandboxes of a template. For admins. */
  async flag(template: string, owner: string): Promise<string> {
    const path = `/v1/templates/${encodeURIComponent(template)}/flag`;
    return (await this.#context.http.json<FlagView>('GET', path, { query: { owner } })).flag;
  }
}
