import assert from 'node:assert/strict';
import type { CreateRequest } from '../../../src/contract/schemas/sandbox.ts';
import { viaEdge } from './fetch.ts';
import { kernelTruth } from './kernel-truth.ts';
import type { LaunchedArc } from './launch.ts';
import { until } from './until.ts';

const SETTLE_MS = 30_000;
/** `whoami` with its writable layer in a disk image, so that files and loop devices are made and removed, too. */
const ON_DISK = 'whoami-on-disk';

export async function addOnDisk(arc: LaunchedArc): Promise<void> {
  const { template } = await arc.client.templates.get('whoami');
  await arc.client.templates.add({ ...template, name: ON_DISK, diskKind: 'image' });
}

/** Gives its id. */
export async function createOnDisk(arc: LaunchedArc, more: Partial<CreateRequest> = {}): Promise<string> {
  return (await arc.client.sandboxes.create({ ...more, template: ON_DISK })).id;
}

/** Waits until kernel and Arc agree, and gives the ids that run; each of them has answered through the edge. */
export async function settled(arc: LaunchedArc): Promise<ReadonlySet<string>> {
  let last = '';
  return await until(
    'the kernel and Arc agree',
    async () => {
      const running = new Set<string>();
      for await (const { id, state } of arc.client.sandboxes.list()) {
        if (state === 'running') running.add(id);
        else if (state !== 'removed' && state !== 'failed') return undefined;
      }
      const ids = [...running].sort();
      const truth = kernelTruth(arc.dataDir);
      const found = {
        ...{ folders: truth.folders, cgroups: truth.cgroups, alive: truth.alive, runtimes: truth.runtimes },
        ...{ interfaces: truth.interfaces.length, routes: truth.routes, loops: truth.loops, mounts: truth.mounts },
        ...{ namespaces: truth.namespaces, helpers: truth.helpers.length },
      };
      const count = ids.length;
      const wanted = {
        ...{ folders: ids, cgroups: ids, alive: ids, runtimes: [] },
        ...{ interfaces: count, routes: count, loops: count, mounts: 0, namespaces: count, helpers: 1 },
      };
      try {
        assert.deepEqual(found, wanted);
      } catch (error) {
        last = String(error);
        return undefined;
      }
      for (const id of ids) {
        const answer = await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${id}/`);
        if (answer.status !== 200) return undefined;
      }
      return running;
    },
    SETTLE_MS,
  ).catch((cause) => {
    throw new Error(`they still differ: ${last}\n${arc.output().slice(-4_000)}`, { cause });
  });
}

/** Removes every sandbox, and waits until nothing is left of any. */
export async function removeAll(arc: LaunchedArc): Promise<void> {
  for await (const { id, state } of arc.client.sandboxes.list()) {
    if (state !== 'removed') await arc.client.sandboxes.remove(id);
  }
  assert.equal((await settled(arc)).size, 0);
}
