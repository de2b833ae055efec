import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { skeleton } from './base-part.ts';
import { RootPlan } from './root-plan.ts';

/** Roots of programs that are Arc's own. */

/** @param binary the static program that `native/whoami.c` becomes */
export function planWhoami(binary: string): RootPlan {
  const plan = new RootPlan();
  skeleton(plan);
  if (!plan.file(binary, '/whoami')) {
    throw new ArcError('host_unfit', `the builtin whoami needs ${binary}, which is not built`);
  }
  return plan;
}

/**
 * The root of the template `host`: folders, users and the links of this machine's own programs. The programs themselves are
 * shown by the jail, read-only and as they are, so nothing is copied and an upgrade is seen at once.
 */
export function planHost(): RootPlan {
  const plan = new RootPlan();
  skeleton(plan);
  for (const path of ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) plan.link(path, readlinkSync(path));
    else if (stat?.isDirectory()) plan.directory(path);
  }
  return plan;
}

/** @param source `examples/vulnerable-notes` */
export function planNotes(python: RootPlan, source: string): RootPlan {
  const plan = new RootPlan(python);
  const missing = ['app.py', 'page.html', 'flag.txt', 'notes'].find((name) => !existsSync(join(source, name)));
  if (missing !== undefined) {
    throw new ArcError('host_unfit', `the builtin vulnerable-notes needs ${join(source, missing)}, which is not here`);
  }
  // Notes are the one thing that the app, which runs as `user`, may write.
  plan.directory('/app/notes', 0o755, 1000);
  plan.tree(source, '/app', (name) => name === 'README.md' || name === '__pycache__');
  return plan;
}
