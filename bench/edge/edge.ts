import { writeFileSync } from 'node:fs';
import { createEdge } from '../../src/edge/edge.ts';
import { silentLogger } from '../../src/kit/logger.ts';
import { realClock } from '../../src/kit/real.ts';
import { addressOf, idOf, ROUTES } from './layout.ts';

/**
 * The edge with as many routes as a full node. Arguments: its port, the upstream's, and a file that gets what one new
 * route takes of the processor, µs, at growing sizes of the table.
 */
const [port = '0', upstreamPort = '80', file = ''] = process.argv.slice(2);
const SIZES = [1_000, ROUTES, 40_000];
const edge = createEdge({
  listen: `127.0.0.1:${port}`,
  domain: 'localhost',
  clock: realClock,
  logger: silentLogger,
  onActivity: () => {},
});
const route = { incarnation: 1, state: 'running', reason: 'ready', ports: [Number(upstreamPort)] } as const;
const setUs: Record<number, number> = {};
const LAST = 500;
for (let n = 0, began = process.cpuUsage(); n < (SIZES.at(-1) ?? 0); n += 1) {
  if (SIZES.includes(n + LAST)) began = process.cpuUsage();
  await edge.router.set({ ...route, id: idOf(n), address: addressOf(n) });
  if (SIZES.includes(n + 1)) {
    const { user, system } = process.cpuUsage(began);
    setUs[n + 1] = Math.round(((user + system) / LAST) * 10) / 10;
  }
}
if (file !== '') writeFileSync(file, JSON.stringify(setUs));
for (let n = ROUTES; n < (SIZES.at(-1) ?? 0); n += 1) await edge.router.forget(idOf(n));
await edge.listen();
