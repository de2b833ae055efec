import type { Route, Router } from '../../edge/router.ts';
import type { Target } from '../../engines/engine.ts';

/**
 * The routes as the core sets them. Where the engine has given an address back before the store could say so, as on a full
 * disk, the row still names it: whatever sets a route from such a row, the address stays away.
 */
export class Routes implements Router {
  readonly #router: Router;
  /** The newest incarnation whose address is no longer its own, by id, and the turn in which that was last said. */
  readonly #withdrawn = new Map<string, { readonly incarnation: number; readonly turn: number }>();
  #turn = 0;

  constructor(router: Router) {
    this.#router = router;
  }

  /** From here on no route leads to this incarnation, for it may be somebody else whom its address leads to. */
  async withdraw(route: Route): Promise<void> {
    this.#turn += 1;
    const before = this.#withdrawn.get(route.id)?.incarnation ?? 0;
    this.#withdrawn.set(route.id, { incarnation: Math.max(route.incarnation, before), turn: this.#turn });
    await this.set(route);
  }

  /** Asked for before the engine is asked what it holds. */
  get turn(): number {
    return this.#turn;
  }

  /** @param turn when the engine was asked, and said that it is there still. What was withdrawn since is not. */
  restore({ id, incarnation }: Target, turn: number): void {
    const withdrawn = this.#withdrawn.get(id);
    if (withdrawn?.incarnation === incarnation && withdrawn.turn <= turn) this.#withdrawn.delete(id);
  }

  async set(route: Route): Promise<void> {
    const withdrawn = this.#withdrawn.get(route.id)?.incarnation;
    if (withdrawn === undefined) return await this.#router.set(route);
    if (route.incarnation > withdrawn) {
      // A later life has an address of its own.
      this.#withdrawn.delete(route.id);
      return await this.#router.set(route);
    }
    const { address: _gone, ...rest } = route;
    await this.#router.set(rest);
  }

  async forget(id: string): Promise<void> {
    this.#withdrawn.delete(id);
    await this.#router.forget(id);
  }

  async list(): Promise<readonly Route[]> {
    return await this.#router.list();
  }
}
