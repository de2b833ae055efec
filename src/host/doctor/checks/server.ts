import { resolve } from 'node:path';
import { type Check, fail, ok, warn } from '../check.ts';
import type { Probe } from '../probe.ts';

export const serverChecks: readonly Check[] = [
  {
    id: 'server.root',
    title: 'Root',
    cost: 'a server of this user runs Python and JavaScript at the level wasm, without ports; images, ports and the other levels need root',
    fix: 'Run `sudo ./arc up` to have them; it installs what is missing.',
    look: ({ machine }) => (machine.uid === 0 ? ok('this is root') : warn(`this is user ${machine.uid}`)),
  },
  {
    id: 'server.answers',
    title: 'Server',
    cost: 'no client command works',
    fix: 'Wait if it has just been started; else stop it by `arc down` or its process, and run `arc up` again.',
    look: async (_probe, facts) => {
      const state = await facts.server();
      if (state === 'silent') return fail('one holds the data folder, and does not answer');
      return ok(state === 'running' ? 'answers' : 'not running');
    },
  },
  {
    id: 'server.alone',
    title: 'No second server',
    cost: 'two servers on one machine want the same ports, addresses and interface names',
    fix: 'Stop one; or give each its own --data-dir, --api, --edge and --network-range.',
    look: (probe, { dataDir, serverPid }) => {
      const others = otherServers(probe, dataDir).filter((pid) => pid !== serverPid?.());
      return others.length === 0
        ? ok('alone')
        : warn(`process ${others.join(', ')} is a server on another data folder`);
    },
  },
  {
    id: 'helper.answers',
    title: 'Node helper',
    cost: 'no sandbox can be started, stopped or entered; those that run go on',
    fix: 'Run `arc up`: it builds the helper and starts it again.',
    look: async ({ machine }, facts) => {
      const { built, version, expected } = await facts.helper();
      if (machine.uid !== 0 && version === undefined) return ok('not used: a server of a plain user has none');
      if (version === false) return fail('it runs, and does not answer');
      if (!built) return fail('not built');
      if (version === undefined) {
        return (await facts.server()) === 'running'
          ? fail('not running, although a server is')
          : ok('built, not running');
      }
      if (version === expected) return ok(`answers, version ${version}`);
      return warn(`version ${version} runs, and this Arc brings ${expected}`, {
        cost: 'what is new in this version does not work yet',
        fix: 'Nothing need be done: it is replaced once no sandbox is left that it holds.',
      });
    },
  },
];

/** Servers started by `arc up`; the one on our own data folder is not another. */
function otherServers(probe: Probe, dataDir: string): readonly number[] {
  return probe.processes().flatMap(({ pid, argv }) => {
    const program = argv.findIndex((word) => word.endsWith('/src/main/arc.ts'));
    if (program < 0 || argv[program + 1] !== 'up') return [];
    const rest = argv.slice(program + 2);
    const at = rest.findIndex((word) => word === '--data-dir' || word.startsWith('--data-dir='));
    if (at < 0) return dataDir === '/var/lib/arc' ? [] : [pid];
    const named = rest[at]?.startsWith('--data-dir=') ? rest[at]?.slice('--data-dir='.length) : rest[at + 1];
    return resolve(named ?? '') === dataDir ? [] : [pid];
  });
}
