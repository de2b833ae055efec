import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Route, Router } from '../../edge/router.ts';

/** What every Router must do, whoever reads its table. `open` gives an empty one. */
export interface RouterFixture {
  readonly router: Router;
  close(): Promise<void>;
}

const ROUTE: Route = {
  id: 'sb-conf',
  incarnation: 2,
  state: 'running',
  reason: 'ready',
  address: '127.0.0.2',
  ports: [8080, 9090],
};

export function routerConformance(name: string, open: () => Promise<RouterFixture>): void {
  const check = (what: string, body: (router: Router) => Promise<void>) =>
    it(what, async () => {
      const { router, close } = await open();
      try {
        await body(router);
      } finally {
        await close();
      }
    });

  describe(`Router conformance: ${name}`, () => {
    check('a route is in the table as soon as set has resolved', async (router) => {
      await router.set(ROUTE);
      assert.deepEqual(await router.list(), [ROUTE]);
    });

    check('a set of the same incarnation replaces the route', async (router) => {
      await router.set(ROUTE);
      const warned: Route = { ...ROUTE, state: 'warned', reason: 'soft-limit' };
      await router.set(warned);
      assert.deepEqual(await router.list(), [warned]);
    });

    check('a set of an older incarnation is ignored, whatever it says', async (router) => {
      await router.set(ROUTE);
      await router.set({ id: ROUTE.id, incarnation: 1, state: 'stopped', reason: 'exit', ports: [8080] });
      await router.set({ ...ROUTE, incarnation: 1, address: '127.0.0.3' });
      assert.deepEqual(await router.list(), [ROUTE]);
    });

    check('a set of a newer incarnation replaces the route with its address', async (router) => {
      await router.set(ROUTE);
      const next: Route = { ...ROUTE, incarnation: 3, address: '127.0.0.3' };
      await router.set(next);
      assert.deepEqual(await router.list(), [next]);
    });

    check('a removed sandbox stays removed: late news of it are ignored', async (router) => {
      const removed: Route = { id: ROUTE.id, incarnation: 2, state: 'removed', reason: 'ttl', ports: [8080] };
      await router.set(ROUTE);
      await router.set(removed);
      await router.set(ROUTE);
      assert.deepEqual(await router.list(), [removed]);
    });

    check('a forgotten route is out of the table, and forgetting twice is no error', async (router) => {
      await router.set(ROUTE);
      await router.forget(ROUTE.id);
      await router.forget(ROUTE.id);
      assert.deepEqual(await router.list(), []);
    });

    check('an unknown id can be forgotten', async (router) => {
      await router.forget('sb-never');
      assert.deepEqual(await router.list(), []);
    });

    check('a forgotten id can be set anew, with any incarnation', async (router) => {
      await router.set(ROUTE);
      await router.forget(ROUTE.id);
      await router.set({ ...ROUTE, incarnation: 1 });
      assert.deepEqual(await router.list(), [{ ...ROUTE, incarnation: 1 }]);
    });

    check('routes do not disturb each other', async (router) => {
      const other: Route = { ...ROUTE, id: 'sb-other', address: '127.0.0.3' };
      await router.set(ROUTE);
      await router.set(other);
      await router.forget(ROUTE.id);
      assert.deepEqual(await router.list(), [other]);
    });

    check('a list taken earlier does not change afterwards', async (router) => {
      await router.set(ROUTE);
      const before = await router.list();
      await router.forget(ROUTE.id);
      assert.deepEqual(before, [ROUTE]);
    });

    check('an address that is no IP address is refused and changes nothing', async (router) => {
      await router.set(ROUTE);
      await assert.rejects(router.set({ ...ROUTE, incarnation: 3, address: 'example.com' }));
      assert.deepEqual(await router.list(), [ROUTE]);
    });
  });
}
