import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import type { Run } from '../../kit/run.ts';
import { lz4Start, unpackLz4 } from './lz4.ts';

const DOWNLOAD_MS = 300_000;
const ASK_MS = 30_000;
/** Debian's kernel for virtual machines: the common one, without drivers for real hardware. */
const META_PACKAGE = 'linux-image-cloud-amd64';
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

export interface KernelFiles {
  readonly version: string;
  /** An ELF image that starts at once, or the packed one of the package where it is packed in a way that isn't known. */
  readonly image: Buffer;
  /** Folder of the modules. */
  readonly modules: string;
}

/** Name of the package that holds the newest kernel which this machine's package lists know. Throws host_unfit. */
export async function kernelPackage(run: Run): Promise<string> {
  const asked = await run(['apt-cache', 'depends', META_PACKAGE], { env: ENV, timeoutMs: ASK_MS });
  const name = /Depends: (linux-image-[0-9]\S+)/.exec(asked.stdout)?.[1];
  if (name !== undefined) return name;
  throw new ArcError('host_unfit', `this machine's package lists know no ${META_PACKAGE}`, {
    hint: 'The kit takes its kernel from Debian: run `apt-get update`, then `arc kit` again.',
  });
}

/** Brings the package into `dir` and unpacks it there; nothing is installed. Throws host_unfit. */
export async function fetchKernel(name: string, dir: string, run: Run): Promise<KernelFiles> {
  const download = join(dir, 'download');
  const root = join(dir, 'package');
  await mkdir(download, { recursive: true });
  const options = ['-qq', '-o', 'APT::Sandbox::User=root'];
  await needs(run, ['env', '-C', download, 'apt-get', 'download', ...options, name]);
  const file = (await readdir(download)).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new ArcError('host_unfit', `apt-get download ${name} brought no package`);
  await needs(run, ['dpkg-deb', '-x', join(download, file), root]);
  await removeTree(download, dir);
  const [version] = await readdir(join(root, 'lib/modules'));
  if (version === undefined) throw new ArcError('host_unfit', `${name} holds no modules`);
  const packed = await readFile(join(root, `boot/vmlinuz-${version}`));
  return { version, image: bootImage(packed), modules: join(root, 'lib/modules', version) };
}

/** By emulation unpacking inside of the machine takes seconds, here a part of one. */
export function bootImage(packed: Buffer): Buffer {
  const start = lz4Start(packed);
  if (start < 0) return packed;
  const image = unpackLz4(packed, start);
  return image.subarray(0, ELF.length).equals(ELF) ? image : packed;
}

const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

async function needs(run: Run, argv: readonly string[]): Promise<void> {
  const result = await run(argv, { env: ENV, timeoutMs: DOWNLOAD_MS });
  if (result.code === 0) return;
  const said = (result.notStarted ?? result.stderr).trim();
  throw new ArcError('host_unfit', `the kernel for virtual machines can not be had: ${argv.join(' ')}: ${said}`);
}
