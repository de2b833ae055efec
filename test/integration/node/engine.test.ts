import { after, before, describe } from 'node:test';
import { realClock } from '../../../src/kit/real.ts';
import { engineConformance } from '../../../src/testing/conformance/engine.ts';
import { specOf } from './harness.ts';
import { type LocalWorld, localWorld } from './local-world.ts';

const PAUSE_MS = 20;
const CAPABILITIES = { exec: true, files: true, logs: true, stats: true, park: true, placeOnNode: false };

/** The Engine suite on the real kernel, for both levels that this machine gives. */
for (const isolation of ['container', 'gvisor'] as const) {
  describe(`the local engine, level ${isolation}`, () => {
    let shared: LocalWorld;
    before(async () => {
      shared = await localWorld();
    });
    after(() => shared[Symbol.asyncDispose]());

    engineConformance(`local engine (${isolation})`, CAPABILITIES, async () => ({
      engine: shared.node.engine,
      serving: specOf(
        {
          isolation,
          command: ['/bin/httpd', '-f', '-p', '80', '-h', '/www'],
          ports: [80],
          ready: { kind: 'port', port: 80, timeoutMs: 10_000 },
        },
        { diskKind: 'image' },
      ),
      exiting: (code) => specOf({ isolation, command: ['/bin/sh', '-c', `exit ${code}`] }),
      missing: specOf({ isolation, command: ['/bin/no-such-program'] }),
      pause: () => realClock.sleep(PAUSE_MS),
      dispose: async () => {},
    }));
  });
}
