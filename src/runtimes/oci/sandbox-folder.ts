import { join } from 'node:path';

/** Names inside a sandbox's folder. The helper's own (`record`, `exit`, `log`, …) are in `host/helper/port.ts`. */
export interface SandboxFolder {
  readonly dir: string;
  readonly config: string;
  /** What this runtime must know to take the sandbox up again: see `record.ts`. */
  readonly record: string;
  /** The top layer: names and addresses that only this sandbox has. */
  readonly names: string;
  /** State root of a runtime that runs as the host's root; the helper makes and removes it. */
  readonly runtime: string;
  /** State root of a runtime that runs as root of the sandbox's user namespace, and owned by that. */
  readonly state: string;
}

export function sandboxFolder(sandboxesDir: string, id: string): SandboxFolder {
  const dir = join(sandboxesDir, id);
  return {
    dir,
    config: join(dir, 'config.json'),
    record: join(dir, 'agent.json'),
    names: join(dir, 'names'),
    runtime: join(dir, 'runtime'),
    state: join(dir, 'state'),
  };
}
