/**
 * A stack of things to undo, last in first out. It goes on after an error and throws all of them together at the end;
 * it runs once, and what is added after that is undone at once, so nothing slips between check and append.
 */
export class CleanupStack implements AsyncDisposable {
  #steps: { readonly name: string; readonly undo: () => Promise<void> | void }[] = [];
  #done = false;

  async add(name: string, undo: () => Promise<void> | void): Promise<void> {
    if (this.#done) await undo();
    else this.#steps.push({ name, undo });
  }

  /** Forget everything: what was built is to stay. */
  release(): void {
    this.#steps = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run();
  }

  async run(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    const errors: Error[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (cause) {
        errors.push(new Error(`cleanup of ${step.name} failed`, { cause }));
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} clean-up steps failed`);
  }
}
