import { ArcError } from '../contract/errors.ts';
import { kitFolder } from '../engines/local/machines.ts';
import { findKit, makeKit } from '../host/kit/kit.ts';
import { KIT_NEEDS } from '../host/kit/needs.ts';
import { runProgram } from '../kit/run.ts';
import { prepareHost } from './host-setup.ts';
import { runningServer } from './server-file.ts';
import { readConfig } from './up.ts';

/** `arc kit [--again]`: brings what virtual machines start from into the data folder. Makes it again where Debian has a newer kernel. */
export async function kit(argv: readonly string[]): Promise<number> {
  const again = argv.includes('--again');
  const config = readConfig(argv.filter((flag) => flag !== '--again'));
  if (process.arch !== 'x64') {
    throw new ArcError(
      'host_unfit',
      `virtual machines are made for x86-64 only so far, and this machine is ${process.arch}`,
    );
  }
  const say = (line: string) => process.stderr.write(`${line}\n`);
  await prepareHost({ dataDir: config.dataDir, mayInstall: config.setup, say, needs: KIT_NEEDS });
  const dir = kitFolder(config.dataDir);
  const held = again ? undefined : await findKit(dir);
  const made = held ?? (await makeKit(dir, runProgram, say));
  const next =
    runningServer(config.dataDir) === undefined ? '' : '; start Arc again to use it: `arc down && arc up --detach`';
  const line = `virtual machines start from kernel ${made.version}, kit ${made.id}${next}`;
  process.stdout.write(`${config.json ? JSON.stringify({ kit: made.id, kernel: made.version }) : line}\n`);
  return 0;
}
