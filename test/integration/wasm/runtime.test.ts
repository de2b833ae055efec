import { after, before, describe } from 'node:test';
import type { StartOrder } from '../../../src/runtimes/runtime.ts';
import { WASM_LACKS } from '../../../src/runtimes/wasm/lacks.ts';
import { runtimeConformance } from '../../../src/testing/conformance/runtime.ts';
import { type WasmWorld, wasmWorld } from './harness.ts';

/** What needs a shell is shown with Python and JavaScript in `programs.test.ts`. */
describe('the runtime of the level wasm', () => {
  let world: WasmWorld;
  before(async () => {
    world = await wasmWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  runtimeConformance(
    'wasm',
    async () => {
      const started: StartOrder[] = [];
      return {
        runtime: world.runtime,
        order: (changes) => {
          const order = world.order(changes);
          started.push(order);
          return order;
        },
        restarted: () => world.restarted(),
        residue: (id) => world.residue(id),
        dispose: async () => {
          for (const { id } of started) await world.runtime.destroy({ id, incarnation: 99 });
        },
      };
    },
    WASM_LACKS,
  );
});
