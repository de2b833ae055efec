import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestKernel } from './kernel.ts';
import { run } from './run.ts';

/**
 * Boots a machine of its own under QEMU (by emulation where there is no KVM) with Debian's kernel, the host's root below a
 * layer in memory, a fresh ext4 disk at /mnt/data, and cgroup v2; runs the script as its only program; gives what it printed.
 */
export interface BootOptions {
  readonly script: string;
  readonly memoryMiB: number;
  readonly timeoutMs: number;
}

const PROLOGUE = `
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mkdir -p /lib/modules && mount --bind /mnt/kernel/lib/modules /lib/modules
modprobe -a veth nf_tables nft_chain_nat nft_masq nft_ct nft_fib_inet loop
ip link set lo up
`;
const EPILOGUE = `
echo "script ended with $?"
sync
echo o > /proc/sysrq-trigger
while :; do sleep 1; done
`;

export async function bootAndRun(kernel: TestKernel, options: BootOptions): Promise<string> {
  // Not below /tmp on the host's side only: the script must be visible at the same path inside.
  const dir = await mkdtemp(join(tmpdir(), 'arc-vm-'));
  try {
    const disk = join(dir, 'disk');
    await run('truncate', ['-s', '4G', disk]);
    await run('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=1,lazy_journal_init=1', disk]);
    const script = join(dir, 'script');
    await writeFile(script, `${PROLOGUE}(\nset -eu\n${options.script}\n)\n${EPILOGUE}`);
    return await machine(kernel, disk, script, options);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function machine(kernel: TestKernel, disk: string, script: string, options: BootOptions): Promise<string> {
  const share = (path: string, tag: string) => [
    '-virtfs',
    `local,path=${path},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`,
  ];
  const args = [
    ...['-M', 'q35', '-accel', 'kvm', '-accel', 'tcg,thread=multi', '-smp', '2', '-m', String(options.memoryMiB)],
    ...['-kernel', kernel.vmlinuz, '-initrd', kernel.initrd, '-nographic', '-no-reboot', '-nic', 'none'],
    ...['-append', `console=ttyS0 quiet panic=-1 test_script=${script}`],
    ...['-drive', `file=${disk},format=raw,if=virtio,cache=unsafe`],
    ...share('/', 'hostroot'),
    ...share(kernel.modules, 'kernel'),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    const take = (chunk: Buffer) => {
      printed += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal) reject(new Error(`the machine was still running after ${options.timeoutMs} ms:\n${printed}`));
      else if (code !== 0) reject(new Error(`qemu ended with ${code}:\n${printed}`));
      else resolve(printed.replaceAll('\r', ''));
    });
  });
}
