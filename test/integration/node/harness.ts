import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeId } from '../../../src/contract/ids.ts';
import type { ResolvedSpec } from '../../../src/contract/spec.ts';
import { formatCidr, overlap } from '../../../src/domain/network/cidr.ts';
import type { LevelReport } from '../../../src/engines/engine.ts';
import { Freezer } from '../../../src/host/cgroups/freezer.ts';
import { removeCgroupRoots } from '../../../src/host/cgroups/remove-roots.ts';
import { cgroupRoot } from '../../../src/host/cgroups/root.ts';
import { Blanks } from '../../../src/host/disk/blanks.ts';
import { buildHelper, buildJailKit } from '../../../src/host/helper/build.ts';
import type { HelperClient } from '../../../src/host/helper/client.ts';
import { superviseHelper } from '../../../src/host/helper/supervise.ts';
import { JournalLogs } from '../../../src/host/journal/logs.ts';
import { LayerCopies } from '../../../src/host/layers/layer-copies.ts';
import { hostNetworks } from '../../../src/host/network/host.ts';
import { instanceTag, networkPlan } from '../../../src/host/network/plan.ts';
import { releaseRegions, UidRegions } from '../../../src/host/uids/regions.ts';
import { HOST_REGISTRY } from '../../../src/host/uids/registry.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { runProgram } from '../../../src/kit/run.ts';
import { bwrap, jailFlavour } from '../../../src/runtimes/jail/index.ts';
import type { OciDeps } from '../../../src/runtimes/oci/deps.ts';
import { FLAVOURS, OciRuntime, Records } from '../../../src/runtimes/oci/index.ts';

export const MIB = 1024 * 1024;

/** Programs of busybox that the tests use inside. */
const APPLETS =
  'sh cat ls grep sleep id echo true false wget nc httpd dd env pwd kill ps uname head touch mkdir rm stat seq yes tr wc mount ln readlink hostname ulimit printf test cut sort nslookup ping';

/** A root filesystem of one static program, and the probe beside it. */
export function busyboxRoot(dir: string): string {
  const root = join(dir, 'lower');
  for (const folder of ['bin', 'etc', 'tmp', 'www', 'srv']) mkdirSync(join(root, folder), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of APPLETS.split(' ')) {
    if (!existsSync(join(root, 'bin', name))) symlinkSync('busybox', join(root, 'bin', name));
  }
  return root;
}

/** Compiles a C file of this folder, static, into the root. */
export function addProgram(root: string, source: string, name: string): void {
  const file = new URL(source, import.meta.url).pathname;
  const built = spawnSync('gcc', ['-static', '-O1', '-o', join(root, 'bin', name), file], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`gcc: ${built.stderr}`);
}

export function specOf(
  changes: Partial<ResolvedSpec> = {},
  limits: Partial<ResolvedSpec['limits']> = {},
): ResolvedSpec {
  return {
    template: 'test',
    root: { kind: 'builtin', name: 'shell' },
    command: ['/bin/sleep', '3600'],
    env: {},
    cwd: '/',
    user: '0',
    ports: [8080],
    ready: { kind: 'none', timeoutMs: 10_000 },
    limits: {
      memoryBytes: 64 * MIB,
      cpus: 1,
      pids: 64,
      openFiles: 512,
      diskBytes: 16 * MIB,
      diskKind: 'memory',
      ...limits,
    },
    isolation: 'container',
    capabilities: [],
    network: 'none',
    ttlMs: null,
    afterReboot: 'fail',
    logBytes: MIB,
    ...changes,
  };
}

export function newId(): string {
  return encodeId('sb', realRng.bytes(10));
}

export function newExecId(): string {
  return encodeId('ex', realRng.bytes(10));
}

/** A /20 that nothing on this host uses now; another test may run beside this one. */
export async function someRange(): Promise<string> {
  const used = await hostNetworks();
  for (;;) {
    const [high = 0, low = 0] = realRng.bytes(2);
    const cidr = { base: 0x0a00_0000 + (64 + (high % 128)) * 65_536 + (low % 16) * 4096, bits: 20 };
    if (!used.some((network) => overlap(network.cidr, cidr))) return formatCidr(cidr);
  }
}

export interface World extends AsyncDisposable {
  readonly dir: string;
  readonly lower: string;
  readonly helper: HelperClient;
  runtime(name: keyof typeof PROGRAMS): OciRuntime;
  readonly deps: Omit<OciDeps, 'flavour' | 'program' | 'nsenter'>;
}

export const PROGRAMS = {
  crun: '/usr/bin/crun',
  runc: '/usr/sbin/runc',
  runsc: '/usr/bin/runsc',
  bwrap: '/usr/bin/bwrap',
} as const;

/** A node of its own: data folder, helper, address range. Nothing of it is left at the end. */
export async function world(options: { readonly copyLayers?: boolean } = {}): Promise<World> {
  const range = await someRange();
  const dir = await mkdtemp(join(tmpdir(), 'arcn-'));
  await chmod(dir, 0o711);
  for (const folder of ['sandboxes', 'root']) mkdirSync(join(dir, folder), { mode: 0o711 });
  const lower = busyboxRoot(dir);
  const helper = await superviseHelper({
    binary: await buildHelper(),
    dataDir: dir,
    clock: realClock,
    logger: silentLogger,
  });
  const uids = UidRegions.open({ dataDir: dir, tag: instanceTag(dir), registry: HOST_REGISTRY });
  const logs = new JournalLogs(join(dir, 'sandboxes'), realClock);
  const deps = {
    helper,
    plan: networkPlan(range, dir, 1500, (slot) => uids.hostBase(slot)),
    admit: async () => {},
    freezer: new Freezer(realClock, readFileSync('/proc/self/mountinfo', 'utf8'), cgroupRoot(dir)),
    blanks: new Blanks({ dir: join(dir, 'blanks'), mkfs: '/usr/sbin/mkfs.ext4', run: runProgram }),
    copies: new LayerCopies({ dataDir: dir, cp: '/usr/bin/cp', run: runProgram, needed: options.copyLayers ?? false }),
    records: new Records(),
    sandboxesDir: join(dir, 'sandboxes'),
    rootMount: join(dir, 'root'),
    resolvers: ['192.0.2.53'],
    limits: { openFilesMax: 4096 },
    arch: process.arch,
    run: runProgram,
    lastOutput: async (id: string) => {
      const parts: Uint8Array[] = [];
      const options = { since: 0, follow: false };
      for await (const { data } of logs.read(id, options, new AbortController().signal)) parts.push(data);
      return Buffer.concat(parts).toString('utf8');
    },
    log: silentLogger,
  };
  const flavours = { ...FLAVOURS, bwrap: jailFlavour(bwrap, await buildJailKit(), process.arch) };
  return {
    dir,
    lower,
    helper,
    deps,
    runtime: (name) => {
      const flavour = flavours[name];
      return new OciRuntime({ ...deps, flavour, program: PROGRAMS[name], nsenter: '/usr/bin/nsenter' }, async () => [
        { level: flavour.level, available: true, note: 'not asked' } satisfies LevelReport,
      ]);
    },
    [Symbol.asyncDispose]: async () => {
      for (const entry of await helper.list()) await helper.destroy(entry);
      await helper.quit();
      await helper[Symbol.asyncDispose]();
      releaseRegions(dir, HOST_REGISTRY);
      await removeCgroupRoots(dir);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Runs a command inside and gives what it printed. */
export async function inside(
  runtime: OciRuntime,
  handle: Parameters<OciRuntime['exec']>[0],
  command: readonly string[],
  options: { readonly user?: string; readonly cwd?: string; readonly stdin?: string } = {},
) {
  const { stdin, ...rest } = options;
  const stream = await runtime.exec(handle, newExecId(), { command, env: {}, timeoutMs: 30_000, ...rest });
  if (stdin !== undefined) await stream.write(Buffer.from(stdin));
  await stream.closeStdin().catch(() => {}); // it may be over already
  const parts: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
  for await (const { stream: name, data } of stream.output) parts[name].push(data);
  const exit = await stream.exit;
  await stream[Symbol.asyncDispose]();
  const text = (name: 'stdout' | 'stderr') => Buffer.concat(parts[name]).toString('utf8');
  return { stdout: text('stdout'), stderr: text('stderr'), exit };
}

/** Looks at what is left of something that was just killed: the kernel takes it apart behind our back, for some ms. */
const LOOKS_MAX = 50;
const LOOK_MS = 10;

/** What the kernel still has of a sandbox, in words, once it has had time to take apart what was killed. */
export async function residueOf(at: World, id: string, slot: number): Promise<readonly string[]> {
  for (let look = 1; look < LOOKS_MAX; look += 1) {
    if (residueNow(at, id, slot).length === 0) return [];
    await realClock.sleep(LOOK_MS);
  }
  return residueNow(at, id, slot);
}

function residueNow(at: World, id: string, slot: number): readonly string[] {
  const { plan, sandboxesDir } = at.deps;
  const found: string[] = [];
  if (existsSync(join(sandboxesDir, id))) found.push(`folder ${id}`);
  for (const policy of ['none', 'public'] as const) {
    const name = plan.hostInterface(slot, policy);
    if (existsSync(`/sys/class/net/${name}`)) found.push(`interface ${name}`);
  }
  const cgroups = at.helper.cgroupPaths(id);
  for (const path of new Set([cgroups.memory, cgroups.pids, cgroups.cpuacct])) {
    if (existsSync(path)) found.push(`cgroup ${path}`);
  }
  const { hostBase, count } = plan.ids(slot);
  for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    const status = readOr(`/proc/${pid}/status`);
    const uid = Number(/^Uid:\s+([0-9]+)/m.exec(status)?.[1] ?? -1);
    const dead = /^State:\s+[ZX]/m.test(status);
    if (uid >= hostBase && uid < hostBase + count && !dead) found.push(`process ${pid}`);
  }
  const mounts = readOr(`/proc/${at.helper.pid}/mountinfo`) + readOr('/proc/self/mountinfo');
  if (mounts.includes(id)) found.push('mount');
  return found;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
