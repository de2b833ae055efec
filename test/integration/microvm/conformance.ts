import { after, before, describe } from 'node:test';
import { NO_CHECKPOINT } from '../../../src/runtimes/lacks.ts';
import type { Monitor } from '../../../src/runtimes/microvm/monitor.ts';
import type { MicrovmRuntime } from '../../../src/runtimes/microvm/runtime.ts';
import type { StartOrder } from '../../../src/runtimes/runtime.ts';
import { type OrderChanges, runtimeConformance } from '../../../src/testing/conformance/runtime.ts';
import { newId, residueOf, specOf, type World, world } from '../node/harness.ts';
import { machines } from './machines.ts';

/** The Runtime suite on real virtual machines: with KVM where there is one, else by emulation. */
export function machineConformance(name: Monitor['name'], monitorIn: (at: World) => Promise<Monitor>): void {
  describe(`the microVM runtime on ${name}`, () => {
    let shared: World;
    let make: () => MicrovmRuntime;
    let slot = 0;
    before(async () => {
      shared = await world();
      make = await machines(shared, await monitorIn(shared));
      // One boot for each of the two shapes that most checks use; the rest start from it.
      for (const diskKind of ['memory', 'image'] as const) await make().prepare(orderOf({ limits: { diskKind } }));
    });
    const orderOf = ({ spec, limits }: OrderChanges): StartOrder => {
      slot += 1;
      return {
        ...{ id: newId(), incarnation: 1, slot, lowers: [shared.lower], fresh: true, labels: {}, owner: 'test' },
        spec: specOf({ isolation: 'microvm', ...spec }, limits),
      };
    };
    after(() => shared[Symbol.asyncDispose]());

    runtimeConformance(
      name,
      async () => {
        const started: StartOrder[] = [];
        const runtime = make();
        return {
          runtime,
          order: (changes: OrderChanges = {}) => {
            const order = orderOf(changes);
            started.push(order);
            return order;
          },
          restarted: () => {
            runtime.release();
            return make();
          },
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
