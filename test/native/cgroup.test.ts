import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hierarchiesOfFiles } from '../../src/host/cgroups/hierarchies.ts';
import { cgroupRoot } from '../../src/host/cgroups/root.ts';
import { TestNode, until } from './box.ts';

/** The helper's two kinds of cgroup on trees of plain files: what it would tell the kernel, wherever the tests run. */

const LIMITS = { command: ['/bin/sleep', '1000'], memoryBytes: 32 << 20, pids: 17 };

async function withTree(kind: 'v1' | 'v2', look: (tree: string, id: string, root: string) => void): Promise<void> {
  const tree = mkdtempSync('/tmp/arc-cgroups-');
  for (const name of kind === 'v1' ? ['memory', 'cpu', 'cpuacct', 'pids', 'freezer'] : []) mkdirSync(join(tree, name));
  try {
    await using node = await TestNode.start(hierarchiesOfFiles(kind === 'v1' ? 1 : 2, tree));
    const order = node.order(LIMITS);
    const { pid } = await node.helper.start(order);
    look(tree, order.id, cgroupRoot(node.dir));
    assert.ok(node.helper.cgroupPaths(order.id).memory.startsWith(tree));
    assert.equal(node.helper.cgroupPaths(order.id).version, kind === 'v1' ? 1 : 2);
    await node.helper.stop(order);
    assert.ok(!existsSync(`/proc/${pid}/root/bin`), 'its process has ended');
    assert.ok(!existsSync(node.helper.cgroupPaths(order.id).memory), 'the group is gone');
    await node.helper.destroy(order);
    await until(() => !existsSync(order.dir), 'the folder is gone');
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

const read = (...path: readonly string[]) => readFileSync(join(...path), 'utf8');

test('version 2: controllers are handed down, limits are set, swap is off', () =>
  withTree('v2', (tree, id, root) => {
    assert.equal(read(tree, 'cgroup.subtree_control'), '+memory +cpu +pids');
    assert.equal(read(tree, root, 'cgroup.subtree_control'), '+memory +cpu +pids');
    const group = join(tree, root, id);
    assert.equal(read(group, 'memory.max'), String(32 << 20));
    assert.equal(read(group, 'memory.swap.max'), '0');
    assert.equal(read(group, 'cpu.max'), '100000 100000');
    assert.equal(read(group, 'pids.max'), '17');
    assert.match(read(group, 'cgroup.procs'), /^\d+$/);
  }));

test('version 1: each controller has its limit, and swap counts as memory', () =>
  withTree('v1', (tree, id, root) => {
    assert.equal(read(tree, 'memory', root, id, 'memory.limit_in_bytes'), String(32 << 20));
    assert.equal(read(tree, 'memory', root, id, 'memory.memsw.limit_in_bytes'), String(32 << 20));
    assert.equal(read(tree, 'cpu', root, id, 'cpu.cfs_quota_us'), '100000');
    assert.equal(read(tree, 'pids', root, id, 'pids.max'), '17');
    for (const controller of ['memory', 'cpu', 'cpuacct', 'pids', 'freezer']) {
      assert.match(read(tree, controller, root, id, 'cgroup.procs'), /^\d+$/, controller);
    }
  }));

test('without the controllers nothing starts', async () => {
  const tree = mkdtempSync('/tmp/arc-cgroups-');
  mkdirSync(join(tree, 'memory'));
  try {
    await using node = await TestNode.start(hierarchiesOfFiles(1, tree));
    await assert.rejects(node.helper.start(node.order(LIMITS)), /controllers are not all mounted/);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
});
