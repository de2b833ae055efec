import { buildHelper, helperIsBuilt } from '../host/helper/build.ts';
import {
  finder,
  NEEDS,
  type Need,
  realPolicyFile,
  rememberedIn,
  type SetupReport,
  setUp,
} from '../host/setup/index.ts';
import { realClock } from '../kit/real.ts';
import { runProgram } from '../kit/run.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The PATH that programs are looked for in: the user's, and the system folders that a plain user's may lack. */
export const searchPath = (): string => `${process.env.PATH ?? ''}:${DEFAULT_PATH}`;

/** `setUp` with the real machine behind it. */
export async function prepareHost(options: {
  readonly dataDir: string;
  readonly mayInstall: boolean;
  readonly say: (line: string) => void;
  readonly needs?: readonly Need[];
}): Promise<SetupReport> {
  return setUp({
    isRoot: process.getuid?.() === 0,
    find: finder(searchPath()),
    run: runProgram,
    clock: realClock,
    policy: realPolicyFile,
    path: searchPath(),
    say: options.say,
    helper: {
      built: helperIsBuilt,
      build: async () => {
        await buildHelper();
      },
    },
    remembered: rememberedIn(options.dataDir),
    mayInstall: options.mayInstall,
    needs: options.needs ?? NEEDS,
  });
}
