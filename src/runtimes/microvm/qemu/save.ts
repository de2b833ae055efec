import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArcError } from '../../../contract/errors.ts';
import type { Clock } from '../../../kit/clock.ts';
import type { Machine } from '../monitor.ts';
import { Qmp } from './qmp.ts';

const MIB = 1024 * 1024;
/** State of the devices, on top of the memory. */
const DEVICES_BYTES_MAX = 64 * MIB;
const BANDWIDTH_BYTES = 16 * 1024 * MIB;
const POLL_MS = 20;

/** Migrates the machine to a socket of ours, and what comes to a file: QEMU itself may open nothing. */
export async function saveByMigration(
  machine: Machine,
  state: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const most = machine.memoryBytes + DEVICES_BYTES_MAX;
  const saved = join(state, 'saved');
  await writeFile(saved, '', { mode: 0o600 });
  const server = createServer();
  const received = new Promise<void>((resolve, reject) => {
    server.once('connection', (socket) => {
      let bytes = 0;
      socket.on('data', (part) => {
        bytes += part.length;
        if (bytes > most) socket.destroy(new Error(`more than ${most} bytes`));
      });
      pipeline(socket, createWriteStream(saved), { signal }).then(resolve, reject);
    });
  });
  server.listen(join(state, 'save'));
  await once(server, 'listening', { signal });
  const qmp = await Qmp.open(join(state, 'control'), signal);
  try {
    await qmp.command('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH_BYTES });
    await qmp.command('migrate', { uri: 'unix:/run/arc/save' });
    await Promise.all([received, migrated(qmp, clock, signal)]);
  } finally {
    qmp.close();
    server.close();
  }
}

async function migrated(qmp: Qmp, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer = JSON.stringify(await qmp.command('query-migrate', {}));
    if (/"status":"completed"/.test(answer)) return;
    if (/"status":"(failed|cancelled)"/.test(answer)) throw new ArcError('internal', `saving a machine: ${answer}`);
    await clock.sleep(POLL_MS, signal);
  }
}
