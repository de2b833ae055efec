import assert from 'node:assert/strict';
import { ArcError } from '../../contract/errors.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { ExecOrder } from '../../engines/engine.ts';
import type { Handle, Runtime, StartOrder } from '../../runtimes/runtime.ts';

/** Counts into a file, as fast as it can. */
const COUNTING = 'i=0; while :; do i=$((i+1)); echo $i >> /srv/count; done';

interface Tools {
  go(): AbortSignal;
  run(runtime: Runtime, handle: Handle, order: Partial<ExecOrder>): Promise<unknown>;
  script(runtime: Runtime, handle: Handle, text: string): Promise<string>;
  /** Changes of an order that runs this script. */
  sh(script: string): { readonly spec?: Partial<ResolvedSpec> };
  until(holds: () => Promise<boolean>): Promise<void>;
}

interface Subject {
  readonly runtime: Runtime;
  order(changes?: ReturnType<Tools['sh']>): StartOrder;
  restarted(): Runtime;
  residue(id: string): Promise<readonly string[]>;
}

type Check = (title: string, body: (subject: Subject) => Promise<void>) => void;

/** Part of what every Runtime does, unless it states that it can't freeze. */
export function runtimeFreezing(check: Check, { go, run, script, sh, until }: Tools): void {
  check('what is frozen stands still, holds no processor, and goes on when thawed', async ({ runtime, order }) => {
    const handle = await runtime.start(order(sh('i=0; while :; do i=$((i+1)); done')), go());
    await run(runtime, handle, { command: ['true'] });
    await runtime.freeze?.(handle);
    await runtime.freeze?.(handle);
    assert.equal(await runtime.isFrozen?.(handle), true);
    const before = await runtime.stats?.(handle);
    // Another one starts, works and ends: time in which this one would have used some.
    const other = await runtime.start(order(), go());
    await script(runtime, other, 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done');
    assert.equal((await runtime.stats?.(handle))?.cpuMs, before?.cpuMs);
    await runtime.thaw?.(handle);
    await runtime.thaw?.(handle);
    assert.equal(await runtime.isFrozen?.(handle), false);
    assert.equal(await script(runtime, handle, 'echo on'), 'on');
    await until(async () => ((await runtime.stats?.(handle))?.cpuMs ?? 0) > (before?.cpuMs ?? 0));
  });

  check('freezing in the middle of writing loses nothing and writes nothing twice', async ({ runtime, order }) => {
    const handle = await runtime.start(order(sh(COUNTING)), go());
    for (let round = 0; round < 5; round += 1) {
      await script(runtime, handle, 'until [ -s /srv/count ]; do :; done');
      await runtime.freeze?.(handle);
      await runtime.thaw?.(handle);
    }
    await runtime.signal(handle, 'SIGSTOP');
    const lines = (await script(runtime, handle, 'cat /srv/count')).split('\n');
    assert.ok(lines.length > 1);
    assert.deepEqual(
      lines.slice(0, -1),
      lines.slice(0, -1).map((_, index) => String(index + 1)),
    );
  });

  check('what is frozen is found frozen by a restarted agent, and thawed by it', async (subject) => {
    const { runtime, order } = subject;
    const handle = await runtime.start(order(), go());
    await runtime.freeze?.(handle);
    const again = subject.restarted();
    assert.deepEqual(await again.recover(), [{ phase: 'running', handle }]);
    assert.equal(await again.isFrozen?.(handle), true);
    await again.thaw?.(handle);
    assert.equal(await script(again, handle, 'echo on'), 'on');
  });

  check('what is frozen is stopped and removed like everything else', async ({ runtime, order, residue }) => {
    const wanted = order(sh('sleep 3600 & sleep 3600'));
    await runtime.freeze?.(await runtime.start(wanted, go()));
    await runtime.stop(wanted);
    const again = { ...wanted, incarnation: 2, fresh: false };
    await runtime.freeze?.(await runtime.start(again, go()));
    await runtime.destroy(again);
    assert.deepEqual(await residue(wanted.id), []);
    await assert.rejects(
      async () => await runtime.freeze?.({ ...(await handleFor(again)), incarnation: 2 }),
      (error) => error instanceof ArcError && error.code === 'wrong_state',
    );
  });
}

/** One that was, of something that is gone. */
async function handleFor({ id, slot, incarnation }: StartOrder): Promise<Handle> {
  return { v: 1, id, incarnation, slot, level: 'container', runtime: '', address: '192.0.2.1', pid: 1, pidStart: 1 };
}
