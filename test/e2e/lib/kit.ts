import { execFileSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kitFolder } from '../../../src/engines/local/machines.ts';
import { CACHED_KIT, testKit } from '../../integration/microvm/machines.ts';

/** A new data folder with the kit for virtual machines in it, as `arc kit` leaves it: made once for all tests. */
export async function dataDirWithKit(): Promise<string> {
  await testKit();
  const dataDir = await mkdtemp(join(tmpdir(), 'arc-e2e-'));
  execFileSync('cp', ['--archive', CACHED_KIT, kitFolder(dataDir)]); // one of its files is a device node
  return dataDir;
}
