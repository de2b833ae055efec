import { after, before, describe } from 'node:test';
import type { StartOrder } from '../../../src/runtimes/runtime.ts';
import { runtimeConformance } from '../../../src/testing/conformance/runtime.ts';
import { type WasmWorld, wasmWorld } from './harness.ts';

const SHELL = 'there is no shell at this level; programs.test.ts shows the same with Python and JavaScript';
const PROCESS = 'a program is no process of its own inside, so there are no users, host names, process or file limits';
const SIGNALS = 'an engine hands no signals to its program: each ends it';
const TERMINAL = 'an engine has no terminal';
const LINKS = 'there are no links at this level, and no shell to make some';
const FREEZE = 'nothing runs between two commands, so there is nothing to freeze';

const SKIPS: Readonly<Record<string, string>> = {
  'runs the command and tells how it ended': SHELL,
  'gives the same handle when the same incarnation is asked for again': PROCESS,
  'refuses a user that the root does not know and leaves nothing': PROCESS,
  'names the sandbox inside after its id': PROCESS,
  'gives user, working folder and environment as asked for, and nothing else': SHELL,
  'a signal reaches the program, which may handle it': SIGNALS,
  'tells every listener once': SHELL,
  'removes all of it, however often it is asked to': SHELL,
  'begins empty again when asked to be fresh (image)': SHELL,
  'begins empty again when asked to be fresh (memory)': SHELL,
  'keeps what was written over a stop and a start': SHELL,
  'a failed second start keeps what the first one wrote': SHELL,
  'two sandboxes of one root do not see each other': SHELL,
  'a restarted agent finds what runs and goes on with it': SHELL,
  'a restarted agent finds how something ended meanwhile': SHELL,
  'a command has its own streams, input and exit code': SHELL,
  'a command takes user, folder and environment of its own': SHELL,
  'a command that is not there is refused by name and the sandbox goes on': SHELL,
  'a command that takes too long is ended and says so': SHELL,
  'a terminal has its size, can be resized, and passes Ctrl-C': TERMINAL,
  'a command goes on when its reader leaves and can be joined again': SHELL,
  'a command can be ended by a signal': SHELL,
  'files written from outside are seen inside, and the other way round': SHELL,
  "a link that points at the host's files stays inside": LINKS,
  'counts what is used and lists what runs': SHELL,
  'a program that wants too much memory is killed, and it is said': SHELL,
  'a fork bomb stops at the limit and can be removed': PROCESS,
  'the writable layer ends at its limit, in bytes and in files': SHELL,
  'open files end at their limit and core files are off': PROCESS,
  'what is frozen stands still, holds no processor, and goes on when thawed': FREEZE,
  'freezing in the middle of writing loses nothing and writes nothing twice': FREEZE,
  'what is frozen is found frozen by a restarted agent, and thawed by it': FREEZE,
  'what is frozen is stopped and removed like everything else': FREEZE,
};

describe('the runtime of the level wasm', () => {
  let world: WasmWorld;
  before(async () => {
    world = await wasmWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  runtimeConformance(
    'wasm',
    async () => {
      const started: StartOrder[] = [];
      return {
        runtime: world.runtime,
        order: (changes) => {
          const order = world.order(changes);
          started.push(order);
          return order;
        },
        restarted: () => world.restarted(),
        residue: (id) => world.residue(id),
        dispose: async () => {
          for (const { id } of started) await world.runtime.destroy({ id, incarnation: 99 });
        },
      };
    },
    SKIPS,
  );
});
