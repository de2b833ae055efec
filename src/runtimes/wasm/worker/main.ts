import { parseArgs } from 'node:util';
import { awaitOrder, finish } from './channel.ts';
import type { Engine } from './engine.ts';
import { boundMemory, hideNode } from './hide.ts';

/**
 * A worker: one engine, started ahead, that waits for one program, runs it, and ends. Everything it has is the files that
 * come with the order, in memory, and four descriptors: the program's three and the one of the runtime.
 */
const { values } = parseArgs({
  options: { engine: { type: 'string' }, uid: { type: 'string' }, snapshot: { type: 'string' } },
});

if (values.uid !== undefined) becomeNobody(Number(values.uid));
const limitMemory = boundMemory();
const engine = await load(values.engine, values.snapshot);
const order = awaitOrder();
limitMemory(order.memoryBytes, () => finish({ code: 137, oom: true, files: [] }));
hideNode();
finish({ ...(await engine(order)), oom: false });

/** Before anything else is done, and never back. */
function becomeNobody(uid: number): void {
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  if (process.getuid?.() !== uid || process.getgid?.() !== uid) throw new Error('this process kept its rights');
}

async function load(name: string | undefined, snapshot: string | undefined): Promise<Engine> {
  if (name === 'python') return await (await import('./python.ts')).python(snapshot);
  if (name === 'js') return await (await import('./quickjs.ts')).quickjs();
  if (name === 'wasi') return await (await import('./wasi.ts')).wasi();
  throw new Error(`there is no engine ${name}`);
}
