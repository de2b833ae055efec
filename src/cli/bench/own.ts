import { ArcError } from '../../contract/errors.ts';
import type { CreateRequest } from '../../contract/schemas/sandbox.ts';
import type { Template } from '../../contract/schemas/template.ts';
import type { Client } from '../../sdk/client.ts';
import type { Sandbox } from '../../sdk/sandbox.ts';

const LABEL = 'arc-bench';
/** In the description, so that nobody's own template with such a name is taken for one of ours. */
const MARK = 'made by arc bench, and removed by it';
/** Goes by itself when this process is killed in a way that leaves no time. */
const TTL = '20m';
/** Templates of a run that is this old were left by one that was killed. */
const LEFT_MS = 3_600_000;
const REMOVE_AT_ONCE = 4;

/** All that one run makes: it has names and a label of its own, and goes with it. */
export class Own {
  readonly #client: Client;
  readonly #run: string;
  readonly #templates = new Set<string>();

  /** @param run lower-case letters and digits, of this run only */
  constructor(client: Client, run: string) {
    this.#client = client;
    this.#run = run;
  }

  get label(): string {
    return `${LABEL}=${this.#run}`;
  }

  async template(kind: string, template: Omit<Template, 'name'>): Promise<string> {
    const name = `${LABEL}-${this.#run}-${kind}`;
    // Before it is asked for: an answer that is lost leaves a template, too.
    this.#templates.add(name);
    await this.#client.templates.add({ ...template, name, description: MARK });
    return name;
  }

  create(template: string, more: Partial<CreateRequest> = {}): Promise<Sandbox> {
    const request = { ttl: TTL, ...more, template, labels: { [LABEL]: this.#run } };
    return this.#client.sandboxes.create(request, { wait: '60s' });
  }

  async dropTemplate(name: string): Promise<void> {
    await this.#client.templates.remove(name).catch(unlessGone);
    this.#templates.delete(name);
  }

  /** Removes all; gives what could not be, in words. A template goes after the sandboxes that are made from it. */
  async removeAll(): Promise<readonly string[]> {
    const failures: string[] = [];
    const failed = (what: string) => (error: unknown) => {
      failures.push(`${what} is left: ${error instanceof Error ? error.message : String(error)}`);
    };
    const rest: Sandbox[] = [];
    try {
      for await (const one of this.#client.sandboxes.list({ labels: [this.label] }))
        if (one.state !== 'removed') rest.push(one);
    } catch (error) {
      failed(`what has the label ${this.label}`)(error);
    }
    const worker = async () => {
      for (let one = rest.pop(); one; one = rest.pop()) await one.remove().catch(unlessGone).catch(failed(one.id));
    };
    await Promise.all(Array.from({ length: REMOVE_AT_ONCE }, worker));
    for (const name of [...this.#templates]) await this.dropTemplate(name).catch(failed(`template ${name}`));
    return failures;
  }

  /** Of runs that were killed. @param now ms since the epoch */
  async removeLeft(now: number): Promise<readonly string[]> {
    const left = (await this.#client.templates.list()).filter(
      ({ name, createdAt, template }) =>
        name.startsWith(`${LABEL}-`) && template.description === MARK && now - Date.parse(createdAt) > LEFT_MS,
    );
    for (const { name } of left) await this.#client.templates.remove(name).catch(unlessGone);
    return left.map(({ name }) => name);
  }
}

function unlessGone(error: unknown): void {
  const gone = ['sandbox_gone', 'sandbox_not_found', 'template_not_found'];
  if (!(error instanceof ArcError && gone.includes(error.code))) throw error;
}
