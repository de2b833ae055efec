import type { Route, Router } from '../../edge/router.ts';

/** The table of routes and nothing else. */
export class MemoryRouter implements Router {
  readonly routes = new Map<string, Route>();

  async set(route: Route): Promise<void> {
    const known = this.routes.get(route.id);
    if (known && known.incarnation > route.incarnation) return;
    this.routes.set(route.id, route);
  }

  async forget(id: string): Promise<void> {
    this.routes.delete(id);
  }

  async list(): Promise<readonly Route[]> {
    return [...this.routes.values()];
  }
}
