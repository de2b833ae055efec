import { connect } from 'node:net';
import { join } from 'node:path';
import { HelperClient } from '../host/helper/client.ts';
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

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
