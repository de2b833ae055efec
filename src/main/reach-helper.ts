import { join } from 'node:path';
import { HelperClient } from '../host/helper/client.ts';
import { answers } from '../host/helper/supervise.ts';
import { silentLogger } from '../kit/logger.ts';
import { realClock } from '../kit/real.ts';

/** The helper of this data folder, if one runs. It is not started. */
export async function reachHelper(dataDir: string): Promise<HelperClient | undefined> {
  const socket = join(dataDir, 'helper.sock');
  if (!(await answers(socket))) return undefined;
  const helper = new HelperClient({ socket, clock: realClock, logger: silentLogger, ensure: async () => {} });
  await helper.connect();
  return helper;
}
