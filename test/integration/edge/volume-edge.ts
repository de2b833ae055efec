import { createEdge } from '../../../src/edge/edge.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';

/** An edge in a process of its own, so that its memory alone can be read. Argument: the upstream's port. */
const edge = createEdge({ listen: '127.0.0.1:0', domain: 'localhost', clock: realClock, logger: silentLogger });
await edge.router.set({
  id: 'sb-aaaa',
  incarnation: 1,
  state: 'running',
  reason: 'ready',
  address: '127.0.0.2',
  ports: [Number(process.argv[2])],
});
await edge.listen();
console.log(String(edge.address.port));
