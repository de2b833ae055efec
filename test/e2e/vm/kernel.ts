import { cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from './run.ts';

/**
 * Debian's own kernel, from its package, and a first program that mounts the host's root read-only. Kept in a folder of
 * the caller's; made once.
 */
export interface TestKernel {
  readonly vmlinuz: string;
  readonly initrd: string;
  /** Folder with `lib/modules/VERSION`, shared with the machine. */
  readonly modules: string;
  readonly version: string;
}

const FIRST_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'virtio_blk', 'ext4', 'crc32c_generic'];

export async function prepareKernel(dir: string): Promise<TestKernel> {
  const root = join(dir, 'kernel');
  const found = await readdir(join(root, 'lib/modules')).catch(() => []);
  if (found.length === 0) await unpackKernel(dir, root);
  const version = (await readdir(join(root, 'lib/modules')))[0];
  if (version === undefined) throw new Error('the kernel package has no modules');
  const initrd = join(dir, 'initrd');
  await makeInitrd(root, version, initrd, join(dir, 'initrd.d'));
  return { vmlinuz: join(root, `boot/vmlinuz-${version}`), initrd, modules: root, version };
}

async function unpackKernel(dir: string, root: string): Promise<void> {
  const depends = await run('apt-cache', ['depends', 'linux-image-amd64']);
  const name = /Depends: (linux-image-[0-9]\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error(`no kernel package in: ${depends}`);
  const download = join(dir, 'download');
  await mkdir(download, { recursive: true });
  await run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', name], download);
  const deb = (await readdir(download)).find((file) => file.endsWith('.deb'));
  if (deb === undefined) throw new Error(`apt-get download ${name} brought no package`);
  await run('dpkg-deb', ['-x', join(download, deb), `${root}.new`]);
  const version = (await readdir(`${root}.new/lib/modules`))[0] ?? '';
  await run('depmod', ['-b', `${root}.new`, version]);
  await rename(`${root}.new`, root);
  await rm(download, { recursive: true });
}

async function makeInitrd(root: string, version: string, target: string, work: string): Promise<void> {
  await rm(work, { recursive: true, force: true });
  for (const folder of ['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'layer', 'new']) {
    await mkdir(join(work, folder), { recursive: true });
  }
  await cp('/bin/busybox', join(work, 'bin/busybox'));
  await cp(join(import.meta.dirname, 'init.sh'), join(work, 'init'), { mode: 0 });
  await run('chmod', ['755', join(work, 'init')]);
  const files = new Set<string>();
  for (const module of FIRST_MODULES) {
    const depends = await run('modprobe', ['-d', root, '-S', version, '--show-depends', module]);
    for (const [, file] of depends.matchAll(/^insmod (\S+)/gm)) files.add(file ?? '');
  }
  let order = 10;
  for (const file of files) await cp(file, join(work, 'modules', `${order++}-${basename(file)}`));
  const list = (await run('find', ['.', '-mindepth', '1'], work)).trim();
  await writeFile(target, await run('cpio', ['-o', '-H', 'newc', '--quiet'], work, `${list}\n`, 'buffer'));
}
