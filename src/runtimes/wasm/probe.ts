import type { LevelReport } from '../../engines/engine.ts';
import { lacksInWords } from '../lacks.ts';
import type { Lacks } from '../runtime.ts';
import type { WasmDeps } from './runtime.ts';

const MIB = 1024 * 1024;
const MEMORY_BYTES = 64 * MIB;
const PROBE_MS = 60_000;

/** Runs a trivial program for real, in the smallest engine. */
export async function probeWasm(deps: WasmDeps, lacks: Lacks): Promise<readonly LevelReport[]> {
  const { workers, clock, note } = deps;
  const began = clock.monotonic();
  try {
    const worker = await workers.take('js', MEMORY_BYTES);
    const startMs = Math.round(clock.monotonic() - began);
    const cancel = clock.after(PROBE_MS, () => worker.kill('SIGKILL'));
    const { memoryBytes } = await worker.usage();
    let said = '';
    worker.stdout.on('data', (part: Buffer) => {
      said += part.toString('utf8').slice(0, 64);
    });
    const order = { env: {}, cwd: '/', memoryBytes: MEMORY_BYTES, diskBytes: MIB, files: [] };
    worker.begin({ ...order, argv: ['node', '-e', 'print(6 * 7, typeof __arc, typeof WebAssembly)'] }, MIB);
    const exit = await worker.ended;
    cancel();
    if (exit.code !== 0 || said !== '42 undefined undefined\n') throw new Error(`it printed ${JSON.stringify(said)}`);
    return [
      {
        level: 'wasm',
        available: true,
        runtime: 'wasm',
        note: await note(),
        cost: { memoryBytes, startMs },
        lacks: lacksInWords(lacks),
      },
    ];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [{ level: 'wasm', available: false, note: `a worker that was tried did not do its work: ${why}` }];
  }
}
