import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** `runsc run` by itself: a bundle with this one file as its root, as root of the machine, with the host's sockets. */
export interface RunscPeer extends AsyncDisposable {
  /** ms from its start to the end of the program. */
  run(): Promise<number>;
}

const run = promisify(execFile);

export async function startRunsc(binary: Buffer, command: readonly string[], code: number): Promise<RunscPeer> {
  const dir = await mkdtemp(join(tmpdir(), 'arc-bench-runsc-'));
  await mkdir(join(dir, 'rootfs/proc'), { recursive: true });
  await writeFile(join(dir, 'rootfs/whoami'), binary, { mode: 0o755 });
  const config = {
    ociVersion: '1.0.2',
    process: { args: command, cwd: '/', env: [], user: { uid: 0, gid: 0 }, noNewPrivileges: true },
    root: { path: 'rootfs' },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
  };
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  let round = 0;
  return {
    run: async () => {
      round += 1;
      const flags = ['--root', join(dir, 'state'), '--network=host', '--ignore-cgroups'];
      const began = performance.now();
      const ended = await run('runsc', [...flags, 'run', '--bundle', dir, `peer-${process.pid}-${round}`]).then(
        () => 0,
        (error: { code?: unknown }) => error.code,
      );
      if (ended !== code) throw new Error(`runsc run ended with ${ended}, and not with ${code}`);
      return performance.now() - began;
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
