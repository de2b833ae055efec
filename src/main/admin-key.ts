import { join } from 'node:path';
import { base32 } from '../contract/ids.ts';
import type { Rng } from '../kit/clock.ts';
import { keptSecret } from './kept-secret.ts';

const KEY_BYTES = 20;

/** The admin's key, made at the first start: `admin.key` in the data folder, readable by its owner alone. */
export const adminKey = (dataDir: string, rng: Rng): string =>
  keptSecret(join(dataDir, 'admin.key'), () => `arc_${base32(rng.bytes(KEY_BYTES))}`);
