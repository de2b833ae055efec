import { join } from 'node:path';
import { base32 } from '../contract/ids.ts';
import type { Rng } from '../kit/clock.ts';
import { keptSecret } from './kept-secret.ts';

const KEY_BYTES = 32;

/** What access tokens are made with: `edge.key` in the data folder. A new one makes every earlier token void. */
export function edgeKey(dataDir: string, rng: Rng): Uint8Array {
  return Buffer.from(keptSecret(join(dataDir, 'edge.key'), () => base32(rng.bytes(KEY_BYTES))));
}
