import type { HookRequest, HookTestResult, HookTryView, HookView } from '../contract/schemas/hook.ts';
import type { Context } from './context.ts';

/** Addresses that changes and alerts are sent to. For admins. */
export class Hooks {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The secret that messages are signed with is given here once and never again. */
  create(request: HookRequest): Promise<HookView & { readonly secret: string }> {
    return this.#context.http.json('POST', '/v1/hooks', { json: request });
  }

  async list(): Promise<readonly HookView[]> {
    return (await this.#context.http.json<{ items: HookView[] }>('GET', '/v1/hooks')).items;
  }

  async remove(id: string): Promise<void> {
    await this.#context.http.json('DELETE', `/v1/hooks/${encodeURIComponent(id)}`);
  }

  /** Its last tries in this run of the server, the newest first. */
  async deliveries(id: string): Promise<readonly HookTryView[]> {
    const path = `/v1/hooks/${encodeURIComponent(id)}/deliveries`;
    return (await this.#context.http.json<{ items: HookTryView[] }>('GET', path)).items;
  }

  /** Sends one message now, and says what came of it. */
  test(id: string): Promise<HookTestResult> {
    return this.#context.http.json('POST', `/v1/hooks/${encodeURIComponent(id)}/test`);
  }
}
