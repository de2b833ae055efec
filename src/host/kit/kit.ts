import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../kit/remove-tree.ts';
import type { Run } from '../../kit/run.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { buildGuest, guestDigest } from './guest-program.ts';
import { fetchKernel, kernelPackage } from './kernel.ts';
import { type KernelModule, modulesInOrder } from './modules.ts';

/** What every virtual machine starts from: a kernel, and a first root of modules and one static program. */
export interface Kit {
  /** Changes when any of it does. */
  readonly id: string;
  readonly kernel: string;
  readonly initrd: string;
  /** Of the kernel, as `uname -r` says it inside. */
  readonly version: string;
  /** A node of /dev/net/tun's that whoever owns a tap may open; on many machines the real one is root's alone. */
  readonly tun: string;
  /** The same of /dev/kvm's, where there is KVM. */
  readonly kvm: string;
}

interface Manifest {
  readonly v: 1;
  readonly id: string;
  readonly guest: string;
  readonly version: string;
}

const MODULES = [
  'virtio_mmio',
  'virtio_pci',
  'virtio_blk',
  'virtio_console',
  'virtio_net',
  'vmw_vsock_virtio_transport',
  'crc32c_generic',
  'erofs',
  'overlay',
];
const FOLDERS = ['dev', 'proc', 'sys', 'cg', 'low', 'upper', 'new', 'run', 'run/sandboxes', 'modules'];
const DIR = 0o040755;
const FILE = 0o100644;
const PROGRAM = 0o100755;
const MKNOD_MS = 10_000;
const MISC_MAJOR = 10;
const TUN_MINOR = 200;
const KVM_MINOR = 232;

/** The kit in `dir` when it is there and of this version of Arc; undefined when it has to be made. */
export async function findKit(dir: string): Promise<Kit | undefined> {
  const manifest = await readManifest(join(dir, 'kit.json'));
  if (manifest === undefined || manifest.guest !== (await guestDigest())) return undefined;
  return kitOf(dir, manifest);
}

/** Makes it, or makes it anew where Debian has a newer kernel. Throws host_unfit. */
export async function makeKit(dir: string, run: Run, say: (line: string) => void): Promise<Kit> {
  await mkdir(dir, { recursive: true, mode: 0o711 });
  const work = join(dir, 'making');
  await removeTree(work, dir);
  await mkdir(work, { mode: 0o700 });
  try {
    const name = await kernelPackage(run);
    say(`bringing ${name} from Debian; it is unpacked, not installed`);
    const kernel = await fetchKernel(name, work, run);
    say('building the first program of the machines');
    const guest = await buildGuest(join(work, 'init'), run);
    const initrd = cpio(firstRoot(guest, await modulesInOrder(kernel.modules, MODULES)));
    const id = createHash('sha256').update(kernel.image).update(initrd).digest('hex').slice(0, 16);
    const manifest: Manifest = { v: 1, id, guest: await guestDigest(), version: kernel.version };
    await writeFile(join(work, 'vmlinux'), kernel.image, { mode: 0o644 });
    await writeFile(join(work, 'initrd'), initrd, { mode: 0o644 });
    await writeFile(join(work, 'kit.json'), JSON.stringify(manifest), { mode: 0o600 });
    await makeNode(join(work, 'tun'), TUN_MINOR, run);
    await makeNode(join(work, 'kvm'), KVM_MINOR, run);
    // The manifest last: a crash in between leaves a kit that is made again.
    for (const file of ['vmlinux', 'initrd', 'tun', 'kvm', 'kit.json']) await rename(join(work, file), join(dir, file));
    return kitOf(dir, manifest);
  } finally {
    await removeTree(work, dir);
  }
}

function firstRoot(guest: Buffer, modules: readonly KernelModule[]): readonly CpioEntry[] {
  return [
    ...FOLDERS.map((path) => ({ path, mode: DIR })),
    { path: 'init', mode: PROGRAM, data: guest },
    ...modules.map(({ name, data }, index) => ({
      path: `modules/${String(index).padStart(2, '0')}-${name}.ko`,
      mode: FILE,
      data,
    })),
  ];
}

/** To have a tap one must be its owner, and a machine of KVM's is its maker's: the nodes themselves give nothing away. */
async function makeNode(path: string, minor: number, run: Run): Promise<void> {
  const argv = ['mknod', '-m', '666', path, 'c', String(MISC_MAJOR), String(minor)];
  const made = await run(argv, { env: {}, timeoutMs: MKNOD_MS });
  if (made.code !== 0) throw new Error(`mknod ${path}: ${made.notStarted ?? made.stderr.trim()}`);
}

function kitOf(dir: string, { id, version }: Manifest): Kit {
  const at = (name: string) => join(dir, name);
  return { id, version, kernel: at('vmlinux'), initrd: at('initrd'), tun: at('tun'), kvm: at('kvm') };
}

async function readManifest(path: string): Promise<Manifest | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    const value: unknown = JSON.parse(text);
    return isManifest(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false;
  return 'v' in value && value.v === 1 && 'id' in value && 'guest' in value && 'version' in value;
}
