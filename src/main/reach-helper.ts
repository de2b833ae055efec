import { join } from 'node:path';
import { groupPaths, hierarchiesHere } from '../host/cgroups/hierarchies.ts';
import { cgroupRoot } from '../host/cgroups/root.ts';
import { HelperClient } from '../host/helper/client.ts';
import { answers } from '../host/helper/supervise.ts';
import { silentLogger } from '../kit/logger.ts';
import { realClock } from '../kit/real.ts';

/** The helper of this data folder, if one runs. It is not started. */
export async function reachHelper(dataDir: string): Promise<HelperClient | undefined> {
  const socket = join(dataDir, 'helper.sock');
  if (!(await answers(socket))) return undefined;
  const cgroups = hierarchiesHere();
  const helper = new HelperClient({
    ...{ socket, clock: realClock, logger: silentLogger },
    ensure: async () => {},
    paths: (id) => groupPaths(cgroups, cgroupRoot(dataDir), id),
  });
  await helper.connect();
  return helper;
}
