import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeId, ID_BYTES } from '../src/contract/ids.ts';
import { putRow, SANDBOX, type SandboxRow } from '../src/server/core/row.ts';
import { SqliteStore } from '../src/store/sqlite.ts';
import type { Write } from '../src/store/store.ts';
import { launchArc } from '../test/e2e/lib/launch.ts';
import { table } from './lib/figures.ts';
import { firstAnswer } from './lib/first-answer.ts';
import { numberOf } from './lib/flags.ts';
import { figure, writeResult } from './lib/result.ts';
import { untilTrue } from './lib/wait.ts';

/**
 * One machine with very many `whoami` that were stopped because nobody used them: memory of the server, a page of `ls`, and
 * a request to some of them by chance, against cold creates that take turns with them. One is parked by its policy; the
 * others are written beside it into the store of the server that is down, as copies under ids of their own.
 *
 *     node bench/parked.ts [--count 20000] [--rounds 50] [--json FILE]
 */
const COUNT = numberOf('--count', 20_000);
const ROUNDS = numberOf('--rounds', 50);
const PAGE = 100;
const ROWS_AT_ONCE = 500;
const ANSWER_TIMEOUT_MS = 30_000;

let arc = await launchArc({ octet: 235 });
const ids: string[] = [];
try {
  const { id } = await arc.client.sandboxes.create({ template: 'whoami', idle: { hard: '2s', then: 'stopped' } });
  await untilTrue('it is stopped', 60_000, async () => (await arc.client.sandboxes.get(id)).info.state === 'stopped');
  await arc.kill();
  await copy(id);
  arc = await arc.again();
  const ms = { page: [] as number[], wake: [] as number[], create: [] as number[] };
  const list = async () => {
    const answer = await fetch(`${arc.api}/v1/sandboxes?limit=${PAGE}`, {
      headers: { authorization: `Bearer ${arc.key}` },
    });
    const { items } = (await answer.json()) as { readonly items: readonly unknown[] };
    if (items.length !== PAGE) throw new Error(`a page of ${items.length}`);
  };
  for (let round = 0; round < ROUNDS; round += 1) ms.page.push(await timed(list));
  const rss = residentMiB(arc.pid);
  const get = (one: string) => firstAnswer(`${arc.edge}/_sb/${one}/`, {}, ANSWER_TIMEOUT_MS);
  const chosen = ids.toSorted(() => Math.random() - 0.5).slice(0, ROUNDS);
  for (const one of chosen) {
    ms.wake.push(await timed(() => get(one)));
    await arc.client.sandboxes.remove(one);
    let made = '';
    ms.create.push(
      await timed(async () => {
        made = (await arc.client.sandboxes.create({ template: 'whoami' })).id;
        await get(made);
      }),
    );
    await arc.client.sandboxes.remove(made);
  }
  const figures = [
    figure('memory of the server', rss, { unit: 'MiB', bar: { of: 'value', most: 400 } }),
    figure(`a page of ls, ${PAGE} sandboxes`, ms.page, { bar: { of: 'value', most: 50 } }),
    figure('wake of a stopped one → 200', ms.wake, {
      peer: { name: 'cold create → 200', values: ms.create },
      // At most 1.2 times as long.
      bar: { of: 'ratio', least: Number((1 / 1.2).toFixed(3)) },
    }),
  ];
  console.log(`${ids.length} parked, ready after ${arc.readyMs.toFixed(0)} ms`);
  console.log(
    table(
      ['', 'p50', 'p99', ''],
      figures.map(({ name, value, p99 = Number.NaN, unit }) => [name, value, p99, unit]),
    ),
  );
  console.log(`a stopped one takes ${(1 / (figures[2]?.ratio ?? Number.NaN)).toFixed(2)} times a cold create`);
  await writeResult('parked', figures);
} finally {
  // Of the copies there is nothing but their rows: they go the way they came.
  await arc.kill();
  await inStore(ids.map((one) => ({ op: 'delete', kind: SANDBOX, id: one })));
  arc = await arc.again();
  await arc[Symbol.asyncDispose]();
}

async function copy(id: string): Promise<void> {
  const store = new SqliteStore({ path: join(arc.dataDir, 'arc.db') });
  const row = (await store.get<SandboxRow>(SANDBOX, id))?.value;
  await store.close();
  if (row === undefined) throw new Error(`there is no row of ${id}`);
  ids.push(...Array.from({ length: COUNT - 1 }, newId));
  await inStore(ids.map((one) => putRow({ ...row, id: one }, 0)));
}

/** No server has it open. */
async function inStore(writes: readonly Write[]): Promise<void> {
  const store = new SqliteStore({ path: join(arc.dataDir, 'arc.db') });
  try {
    for (let at = 0; at < writes.length; at += ROWS_AT_ONCE) await store.commit(writes.slice(at, at + ROWS_AT_ONCE));
  } finally {
    await store.close();
  }
}

function newId(): string {
  return encodeId('sb', randomBytes(ID_BYTES));
}

function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
