import { Agent, request } from 'node:http';
import type { Sandbox } from '../../src/contract/schemas/sandbox.ts';
import type { LaunchedArc } from '../../test/e2e/lib/launch.ts';
import { untilTrue } from './wait.ts';

export const POOLED = 'whoami-warm';
const FILL_TIMEOUT_MS = 900_000;

/** `whoami` with a pool of so many. */
export async function addPooled(arc: LaunchedArc, size: number): Promise<void> {
  const { template } = await arc.client.templates.get('whoami');
  await arc.client.templates.add({ ...template, name: POOLED, pool: { min: size } });
}

export async function untilFull(arc: LaunchedArc, size: number): Promise<void> {
  await untilTrue('the pool is full', FILL_TIMEOUT_MS, async () => {
    const { pool } = await arc.client.templates.get(POOLED);
    return pool !== undefined && pool.ready >= size;
  });
}

/** One connection that stays, as an application server keeps one; the SDK's own work is not in the figures. */
export class Claimer {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #arc: LaunchedArc;
  readonly #key: string;

  constructor(arc: LaunchedArc, key = arc.key) {
    this.#arc = arc;
    this.#key = key;
  }

  claim(): Promise<Sandbox> {
    const body = JSON.stringify({ template: POOLED });
    const headers = { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const sent = request(
        `${this.#arc.api}/v1/sandboxes`,
        { method: 'POST', headers, agent: this.#agent },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            if (answer.statusCode === 201) resolve(JSON.parse(text) as Sandbox);
            else reject(new Error(`${answer.statusCode}: ${text}`));
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
