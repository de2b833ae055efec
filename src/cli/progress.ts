import type { Progress } from '../sdk/templates.ts';
import { roughSize } from './amounts.ts';
import { clean } from './clean.ts';
import type { Output } from './output.ts';

/** Progress by layer: on a terminal one line that changes, else one line for each phase of each layer. */
export class ProgressView {
  readonly #err: Output;
  readonly #json: boolean;
  readonly #phases = new Map<string, string>();
  #shown = false;
  #last: Promise<void> = Promise.resolve();

  constructor(err: Output, json: boolean) {
    this.#err = err;
    this.#json = json;
  }

  show(step: Progress): void {
    const changed = this.#phases.get(step.layer) !== step.phase;
    this.#phases.set(step.layer, step.phase);
    if (this.#json) this.#write(`${JSON.stringify({ progress: step })}\n`);
    else if (this.#err.isTTY) this.#write(`\r\u001b[K${this.#line(step)}`);
    else if (changed) this.#write(`${this.#line(step)}\n`);
    this.#shown ||= this.#err.isTTY && !this.#json;
  }

  async end(): Promise<void> {
    if (this.#shown) this.#write('\r\u001b[K');
    await this.#last;
  }

  #line(step: Progress): string {
    const of = step.total === undefined ? '' : `/${roughSize(step.total)}`;
    const amount = step.done > 0 ? ` ${roughSize(step.done)}${of}` : '';
    const ready = [...this.#phases.values()].filter((phase) => phase === 'ready').length;
    return clean(
      `${step.layer.replace(/^sha256:/, '').slice(0, 12)} ${step.phase}${amount} (${ready} of ${this.#phases.size} layers ready)`,
    );
  }

  #write(text: string): void {
    // Progress that can't be shown is not worth failing for.
    this.#last = this.#err.write(text).catch(() => {});
  }
}
