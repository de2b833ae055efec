import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { RootPlan } from './root-plan.ts';

/** Debian spreads npm's own packages over this folder, and patches its Node to look there. */
const DEBIAN_MODULES = '/usr/share/nodejs';
/** Large packages beside it that belong to tools for building web pages. */
const NOT_FOR_NPM =
  /^(@babel|@types|@webassemblyjs|@xtuc|caniuse-lite|core-js.*|es-abstract|lodash-es|regenerate.*|terser|typescript|web-streams-polyfill|webpack.*)$/;
const NPM = '/usr/local/lib/node_modules/npm';

/** @param node the binary that runs Arc itself, so that its version is the one Arc was made with */
export function planNode(base: RootPlan, node: string): RootPlan {
  const plan = new RootPlan(base);
  plan.directory('/usr/local/bin');
  if (!plan.file(node, '/usr/local/bin/node')) {
    throw new ArcError('host_unfit', `the builtin node can not copy ${node} with its libraries`);
  }
  // Scripts of npm packages begin with /usr/bin/env node, some with /usr/bin/node.
  plan.link('/usr/bin/node', '/usr/local/bin/node');
  addNpm(plan, node);
  return plan;
}

function addNpm(plan: RootPlan, node: string): void {
  const beside = join(dirname(realpathSync(node)), '../lib/node_modules/npm');
  const whole = [beside, '/usr/lib/node_modules/npm', '/usr/local/lib/node_modules/npm'];
  const found = whole.find((dir) => existsSync(join(dir, 'bin/npm-cli.js')));
  if (found !== undefined) {
    plan.tree(found, NPM, (name, path) => name === 'man' || path === join(found, 'docs'));
    plan.link('/usr/local/bin/npm', '../lib/node_modules/npm/bin/npm-cli.js');
    plan.link('/usr/local/bin/npx', '../lib/node_modules/npm/bin/npx-cli.js');
  } else if (existsSync(join(DEBIAN_MODULES, 'npm/bin/npm-cli.js'))) {
    plan.tree(DEBIAN_MODULES, DEBIAN_MODULES, (name) => name === 'man' || NOT_FOR_NPM.test(name));
    for (const name of ['npm', 'npx']) {
      const script = `#!/bin/sh\nNODE_PATH=${DEBIAN_MODULES} exec node --no-deprecation ${DEBIAN_MODULES}/npm/bin/${name}-cli.js "$@"\n`;
      plan.text(`/usr/local/bin/${name}`, script, 0o755);
    }
  }
}
