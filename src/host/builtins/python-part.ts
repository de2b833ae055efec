import { existsSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { RootPlan } from './root-plan.ts';

const PYTHON = '/usr/bin/python3';

/** Of no use in a sandbox: tests, what builds extensions, the Tk world, and the machine's own extra packages. */
const LEFT_OUT = /^(test|tests|idlelib|turtle.*|lib2to3|ensurepip|config-.*|dist-packages|site-packages|_tkinter\..*)$/;

/** The system's own Python with its library. One from a version manager is somebody's own, and may be anything. */
export function planPython(base: RootPlan): RootPlan {
  const plan = new RootPlan(base);
  const unfit = (why: string) =>
    new ArcError('host_unfit', `the builtin python ${why}`, { hint: 'apt-get install python3' });
  if (!plan.file(PYTHON)) throw unfit(`needs ${PYTHON}, which is not here`);
  const version = /^python(3\.[0-9]+)$/.exec(basename(realpathSync(PYTHON)))?.[1];
  const library =
    version &&
    [`/usr/lib/python${version}`, `/usr/lib64/python${version}`].find((dir) => existsSync(join(dir, 'os.py')));
  if (!library) throw unfit('finds no library beside /usr/bin/python3');
  plan.tree(library, library, (name) => LEFT_OUT.test(name));
  plan.directory('/usr/local/bin');
  plan.link('/usr/bin/python', 'python3');
  return plan;
}
