import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addOnDisk, createOnDisk, removeAll, settled } from './lib/agreement.ts';
import { kernelTruth } from './lib/kernel-truth.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { layTrap, type Step } from './lib/strace.ts';

/**
 * The helper, or the worker of it that is at it, is killed at each step of its own work on a create and on a remove. A step
 * is named by the system call that begins it, as the first process to make it so often comes to it.
 */
const CREATE_STEPS: Readonly<Record<string, Step>> = {
  'its record takes its name': { call: 'rename', nth: 1 },
  'a log pipe is made': { call: 'mknodat', nth: 1 },
  'the second log pipe gets its owner': { call: 'chown', nth: 2 },
  'a folder for the state of the runtime is made': { call: 'mkdirat', nth: 1 },
  'the first cgroup is made': { call: 'mkdirat', nth: 3 },
  'some cgroups are made': { call: 'mkdirat', nth: 7 },
  'the writable layer is made': { call: 'ftruncate', nth: 1 },
  'the writable layer is half copied': { call: 'copy_file_range', nth: 2 },
  'the namespaces are made': { call: 'wait4', nth: 1 },
  'the host end of its network is there': { call: 'setns', nth: 1 },
  'the inner end of its network is there': { call: 'setns', nth: 2 },
  'a mount namespace is made': { call: 'unshare', nth: 1 },
  'the folder of the mounts is mounted': { call: 'mount', nth: 2 },
  'a layer is taken': { call: 'open_tree', nth: 1 },
  'a layer is id-mapped': { call: 'mount_setattr', nth: 1 },
  'a layer is mounted': { call: 'move_mount', nth: 1 },
  'the loop device is set up': { call: 'mount', nth: 3 },
  'the layers are put together': { call: 'mount', nth: 4 },
  'the root takes its place': { call: 'move_mount', nth: 3 },
  'the runtime begins': { call: 'execveat', nth: 1 },
  'the runtime is waited for': { call: 'pidfd_open', nth: 1 },
  'the runtime makes its namespaces': { call: 'setresuid', nth: 1 },
  'the runtime changes the root': { call: 'pivot_root', nth: 1 },
  'the record says that it runs': { call: 'rename', nth: 2 },
};
const REMOVE_STEPS: Readonly<Record<string, Step>> = {
  'its first process is held': { call: 'pidfd_open', nth: 1 },
  'its first process is killed': { call: 'pidfd_send_signal', nth: 1 },
  'the first cgroup goes': { call: 'unlinkat', nth: 1 },
  'some cgroups are gone': { call: 'unlinkat', nth: 4 },
  'its network goes': { call: 'socket', nth: 1 },
  'the state of the runtime goes': { call: 'unlinkat', nth: 7 },
  'its folder goes': { call: 'unlinkat', nth: 16 },
  'its folder is half gone': { call: 'unlinkat', nth: 24 },
  'its end is written down': { call: 'rename', nth: 1 },
};

/** Where a worker alone is killed, as the kernel does that is short of memory: before, between and after what it makes. */
const OF_A_WORKER = new Set([
  'some cgroups are made',
  'the writable layer is half copied',
  'the host end of its network is there',
  'the inner end of its network is there',
  'the loop device is set up',
  'the runtime begins',
  'the runtime is waited for',
  'its first process is held',
  'some cgroups are gone',
  'its network goes',
  'its folder is half gone',
]);
const stepsOf = (who: 'helper' | 'worker', steps: Readonly<Record<string, Step>>) =>
  Object.entries(steps).filter(([name]) => who === 'helper' || OF_A_WORKER.has(name));

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 216 });
  await addOnDisk(arc);
});
after(async () => {
  await arc[Symbol.asyncDispose]();
  const left = kernelTruth(arc.dataDir);
  assert.deepEqual([left.cgroups, left.interfaces, left.loops, left.mounts, left.helpers], [[], [], 0, 0, []]);
});

const create = () => createOnDisk(arc);

/** Does the work, and kills at the step that it comes to. */
async function killedAt(step: Step, who: 'helper' | 'worker', work: () => Promise<unknown>): Promise<void> {
  const helper = kernelTruth(arc.dataDir).helpers[0];
  assert.ok(helper !== undefined);
  await using trap = await layTrap(helper, step);
  const done = work().catch(() => {});
  const stopped = await trap.sprung();
  process.kill(who === 'helper' ? helper : stopped, 'SIGKILL');
  await trap[Symbol.asyncDispose]();
  await done;
}

for (const who of ['helper', 'worker'] as const) {
  for (const [name, step] of stepsOf(who, CREATE_STEPS)) {
    test(`the ${who} killed in a create when ${name}: the bystander runs on, and kernel and Arc agree`, async () => {
      const bystander = await create();
      await killedAt(step, who, create);
      assert.equal((await settled(arc)).has(bystander), true);
      await removeAll(arc);
    });
  }
  for (const [name, step] of stepsOf(who, REMOVE_STEPS)) {
    test(`the ${who} killed in a remove when ${name}: it goes, the bystander runs on`, async () => {
      const bystander = await create();
      const victim = await create();
      await killedAt(step, who, () => arc.client.sandboxes.remove(victim));
      const running = await settled(arc);
      assert.deepEqual([running.has(bystander), running.has(victim)], [true, false]);
      await removeAll(arc);
    });
  }
}
