import { existsSync } from 'node:fs';
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
