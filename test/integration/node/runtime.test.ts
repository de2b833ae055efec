import { after, before, describe } from 'node:test';
import { NO_CHECKPOINT } from '../../../src/runtimes/lacks.ts';
import type { StartOrder } from '../../../src/runtimes/runtime.ts';
import { type OrderChanges, runtimeConformance } from '../../../src/testing/conformance/runtime.ts';
import { newId, residueOf, specOf, type World, world } from './harness.ts';

/** The Runtime suite on the real kernel, for every OCI program that Arc uses. */
for (const name of ['crun', 'runc', 'runsc', 'bwrap'] as const) {
  describe(`the OCI runtime on ${name}`, () => {
    let shared: World;
    let slot = 0;
    before(async () => {
      shared = await world();
    });
    after(() => shared[Symbol.asyncDispose]());

    runtimeConformance(
      name,
      async () => {
        const started: StartOrder[] = [];
        const isolation = name === 'runsc' ? 'gvisor' : name === 'bwrap' ? 'jail' : 'container';
        const runtime = shared.runtime(name);
        return {
          runtime,
          order: ({ spec, limits }: OrderChanges = {}) => {
            slot += 1;
            const order: StartOrder = {
              id: newId(),
              incarnation: 1,
              slot,
              spec: specOf({ isolation, ...spec }, limits),
              lowers: [shared.lower],
              fresh: true,
              labels: {},
              owner: 'test',
            };
            started.push(order);
            return order;
          },
          restarted: () => shared.runtime(name),
          residue: async (id) => {
            const order = started.find((one) => one.id === id);
            return order === undefined ? [] : residueOf(shared, id, order.slot);
          },
          dispose: async () => {
            for (const order of started) await runtime.destroy({ id: order.id, incarnation: 99 });
          },
        };
      },
      NO_CHECKPOINT,
    );
  });
}
