import type { EdgeAnswer, EdgeFigures } from '../server/service.ts';

/** Hands on what the edge tells of its traffic to whoever listens; costs one call where nobody does. */
export class EdgeTally implements EdgeFigures {
  readonly #held: () => number;
  readonly #listeners: ((answer: EdgeAnswer) => void)[] = [];

  constructor(held: () => number) {
    this.#held = held;
  }

  readonly note = (answer: EdgeAnswer): void => {
    for (const listener of this.#listeners) listener(answer);
  };

  onAnswer(listener: (answer: EdgeAnswer) => void): void {
    this.#listeners.push(listener);
  }

  held(): number {
    return this.#held();
  }
}
