import { createEdge } from '../../src/edge/edge.ts';
import { silentLogger } from '../../src/kit/logger.ts';
import { realClock } from '../../src/kit/real.ts';

/** The edge with as many routes as a full node, and one that is asked for. Argument: the upstream's port. */
const ROUTES = 10_000;
const edge = createEdge({
  listen: '127.0.0.1:0',
  domain: 'localhost',
  clock: realClock,
  logger: silentLogger,
  onActivity: () => {},
});
const route = { incarnation: 1, state: 'running', reason: 'ready', ports: [Number(process.argv[2])] } as const;
for (let n = 0; n < ROUTES; n += 1) {
  const id = `sb-${n.toString().replace(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] ?? '')}zzzz`;
  await edge.router.set({ ...route, id, address: `10.199.${n >> 8}.${n & 255}` });
}
await edge.router.set({ ...route, id: 'sb-bench', address: '127.0.0.2' });
await edge.listen();
console.log(String(edge.address.port));
