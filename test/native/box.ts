import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Hierarchies } from '../../src/host/cgroups/hierarchies.ts';
import { removeCgroupRoots } from '../../src/host/cgroups/remove-roots.ts';
import { cgroupRoot } from '../../src/host/cgroups/root.ts';
import { buildHelper } from '../../src/host/helper/build.ts';
import type { HelperClient } from '../../src/host/helper/client.ts';
import { type HelperExec, type HelperStart, NS_NET_PATH, NS_USER_PATH } from '../../src/host/helper/port.ts';
import { superviseHelper } from '../../src/host/helper/supervise.ts';
import { silentLogger } from '../../src/kit/logger.ts';
import { realClock } from '../../src/kit/real.ts';

/** A node for tests of the helper: data folder, a busybox root, a blank layer, and the helper itself, on the real kernel. */

const CRUN = '/usr/bin/crun';
const BUSYBOX = '/bin/busybox';
const UPPER_BYTES = 16 * 1024 * 1024;
const WAIT_MS_MAX = 20_000;

export interface BoxOptions {
  readonly command: readonly string[];
  readonly id?: string;
  readonly incarnation?: number;
  readonly slot?: number;
  readonly user?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
  readonly logBytes?: number;
  /** Bytes a second. */
  readonly logRate?: number;
  readonly upper?: 'image' | 'memory';
  readonly upperBytes?: number;
  readonly fresh?: boolean;
  readonly argv?: readonly string[];
  readonly timeoutMs?: number;
  readonly gateway?: string;
  readonly lowers?: readonly string[];
}

interface Options {
  readonly sanitize?: boolean;
}

let nextSlot = 50_000 + (process.pid % 500) * 10;

export class TestNode implements AsyncDisposable {
  readonly dir: string;
  readonly blank: string;
  readonly lower: string;
  readonly rootMount: string;
  helper: HelperClient;
  readonly #before = kernelTruth();
  readonly #cgroups: Hierarchies | undefined;

  private constructor(dir: string, cgroups: Hierarchies | undefined, helper: HelperClient) {
    this.dir = dir;
    this.#cgroups = cgroups;
    this.helper = helper;
    this.lower = join(dir, 'lower');
    this.rootMount = join(dir, 'root');
    this.blank = join(dir, 'blank.img');
    chmodSync(dir, 0o711); // the runtime walks to the root as the sandbox's own root user
    for (const path of [this.lower, this.rootMount, join(dir, 'sandboxes')]) mkdirSync(path, { recursive: true });
    for (const path of ['bin', 'dev', 'etc', 'home', 'proc', 'sys', 'tmp', 'root']) mkdirSync(join(this.lower, path));
    execFileSync('chmod', ['1777', join(this.lower, 'tmp')]);
    cpSync(BUSYBOX, join(this.lower, 'bin/busybox'));
    for (const name of execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).split('\n')) {
      if (name && name !== 'busybox') symlinkSync('busybox', join(this.lower, 'bin', name));
    }
    writeFileSync(join(this.lower, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(this.blank, '');
    truncateSync(this.blank, UPPER_BYTES);
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-E', 'lazy_itable_init=1', '-O', '^has_journal', this.blank]);
  }

  static async start(cgroups?: Hierarchies, options: Options = {}): Promise<TestNode> {
    const dir = mkdtempSync('/tmp/arc-native-');
    return new TestNode(dir, cgroups, await TestNode.#supervise(dir, cgroups, options));
  }

  static async #supervise(dir: string, cgroups: Hierarchies | undefined, options: Options = {}) {
    const binary = await buildHelper(options);
    return superviseHelper({
      binary,
      dataDir: dir,
      clock: realClock,
      logger: silentLogger,
      ...(cgroups && { cgroups }),
    });
  }

  boxDir(id: string): string {
    return join(this.dir, 'sandboxes', id);
  }

  /** Writes the folder and its config.json, and gives the order for `start`. */
  order(options: BoxOptions): HelperStart {
    const slot = options.slot ?? nextSlot++;
    const id = options.id ?? `sb-test${slot}`;
    const dir = this.boxDir(id);
    const ids = { hostBase: 0x10000000 + slot * 65_536, count: 65_536 };
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'config.json'), JSON.stringify(config(options, this.rootMount, ids)));
    return {
      id,
      incarnation: options.incarnation ?? 1,
      dir,
      slot,
      ids,
      net: {
        address: `10.199.${slot >> 8}.${slot & 255}`,
        gateway: options.gateway ?? '169.254.199.1',
        hostInterface: `arct${slot}`,
        mtu: 1500,
      },
      lowers: options.lowers ?? [this.lower],
      idmap: 'mount',
      upper: {
        kind: options.upper ?? 'memory',
        bytes: options.upperBytes ?? UPPER_BYTES,
        inodes: 4_096,
        blank: this.blank,
        fresh: options.fresh ?? true,
      },
      rootMount: this.rootMount,
      cgroup: { memoryBytes: options.memoryBytes ?? 64 << 20, cpus: 1, pids: options.pids ?? 64 },
      log: { bytes: options.logBytes ?? 64 << 20, bytesPerSecond: options.logRate ?? 1 << 30 },
      stdioUid: ids.hostBase + (options.user ?? 0),
      argv: options.argv ?? crun(dir, 'run', '--detach', '--pid-file', join(dir, 'pid'), '--bundle', dir, id),
      pidFile: 'pid',
      timeoutMs: options.timeoutMs ?? 10_000,
      follow: 'pid-file',
    };
  }

  /** Writes the process document, and gives the order for `exec`. */
  execOrder(id: string, execId: string, command: readonly string[], more: Partial<HelperExec> = {}): HelperExec {
    const dir = this.boxDir(id);
    const document = join(dir, `${execId}.json`);
    const tty = more.tty !== undefined;
    writeFileSync(document, JSON.stringify({ ...processOf(command, 0), terminal: tty }));
    const consoleSocket = join(dir, `${execId}.sock`);
    const pidFile = join(dir, `${execId}.pid`);
    const flags = ['--detach', '--pid-file', pidFile, '--process', document];
    return {
      id: execId,
      argv: crun(dir, 'exec', ...flags, ...(tty ? ['--console-socket', consoleSocket] : []), id),
      pidFile,
      command,
      follow: 'pid-file',
      ...(tty ? { consoleSocket } : {}),
      ...more,
    };
  }

  /** Another server: the helper stays as it is. */
  async reconnect(): Promise<void> {
    await this.helper[Symbol.asyncDispose]();
    this.helper = await TestNode.#supervise(this.dir, this.#cgroups);
  }

  /** Everything is destroyed, the helper is asked to end, and nothing may be left on the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const entry of await this.helper.list()) await this.helper.destroy(entry);
    const pid = this.helper.pid;
    await this.helper.quit();
    await until(() => pid === undefined || !existsSync(`/proc/${pid}`), 'the helper ends');
    for (const folder of readdirSync(join(this.dir, 'sandboxes'))) {
      assert.deepEqual(
        readdirSync(this.boxDir(folder)),
        ['config.json'],
        `what the caller wrote is all that is left of ${folder}`,
      );
    }
    await until(
      () => leaks(this.#before, this.dir).length === 0,
      () => leaks(this.#before, this.dir).join('\n'),
    );
    await removeCgroupRoots(this.dir);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const crun = (dir: string, command: string, ...flags: readonly string[]) => [
  CRUN,
  '--root',
  join(dir, 'runtime'),
  '--cgroup-manager=disabled',
  command,
  ...flags,
];

const processOf = (args: readonly string[], uid: number) => ({
  terminal: false,
  user: { uid, gid: uid },
  args,
  env: ['PATH=/bin', 'TERM=xterm', 'HOME=/root'],
  cwd: '/',
  capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
  noNewPrivileges: true,
  rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
});

const PLAIN = ['nosuid', 'noexec', 'nodev'];

function config(options: BoxOptions, root: string, ids: { readonly hostBase: number; readonly count: number }) {
  const mapping = [{ containerID: 0, hostID: ids.hostBase, size: ids.count }];
  return {
    ociVersion: '1.0.0',
    process: processOf(options.command, options.user ?? 0),
    root: { path: root, readonly: false },
    hostname: 'sb',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: PLAIN },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
      },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...PLAIN, 'mode=1777', 'size=1024k'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...PLAIN, 'ro'] },
    ],
    linux: {
      namespaces: [
        { type: 'user', path: NS_USER_PATH },
        { type: 'network', path: NS_NET_PATH },
        ...['pid', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
      ],
      uidMappings: mapping,
      gidMappings: mapping,
      maskedPaths: ['/proc/kcore', '/proc/keys'],
      readonlyPaths: ['/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}

/** Waits for a condition, never longer than a bound. */
export async function until(condition: () => boolean | Promise<boolean>, what: string | (() => string)): Promise<void> {
  for (const deadline = performance.now() + WAIT_MS_MAX; performance.now() < deadline; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`waited in vain: ${typeof what === 'string' ? what : what()}`);
}

interface Truth {
  readonly links: readonly string[];
  readonly mounts: readonly string[];
}

const names = (dir: string) => (existsSync(dir) ? readdirSync(dir) : []);
const CGROUPS = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer', 'unified', '.'];

function kernelTruth(): Truth {
  return {
    links: names('/sys/class/net').filter((name) => name.startsWith('arct')),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes('arc-native-')),
  };
}

function leaks(before: Truth, dir: string): string[] {
  const now = kernelTruth();
  const more = (kind: keyof Truth) =>
    now[kind].filter((name) => !before[kind].includes(name)).map((name) => `${kind}: ${name}`);
  const ids = (entry: string) => /arct\d+|sb-test\d+/.test(entry);
  return [
    ...more('links').filter(ids),
    ...cgroupsOf(dir).map((name) => `cgroup: ${name}`),
    ...more('mounts').filter((line) => line.includes(dir)),
    ...processesNaming(dir).map((line) => `process: ${line}`),
    ...loopsNaming(dir).map((line) => `loop: ${line}`),
  ];
}

/** Sandboxes of this node alone: its folder carries its tag. */
const cgroupsOf = (dir: string) =>
  CGROUPS.flatMap((controller) =>
    names(`/sys/fs/cgroup/${controller}/${cgroupRoot(dir)}`)
      .filter((name) => name.startsWith('sb-'))
      .map((name) => `${controller}/${name}`),
  );

const loopsNaming = (dir: string) =>
  names('/sys/block')
    .filter((name) => name.startsWith('loop') && existsSync(`/sys/block/${name}/loop/backing_file`))
    .map((name) => readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8'))
    .filter((file) => file.includes(dir));

function processesNaming(dir: string): string[] {
  const found: string[] = [];
  for (const pid of names('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (line.includes(dir)) found.push(`${pid} ${line}`);
    } catch {
      /* it ended meanwhile */
    }
  }
  return found;
}
