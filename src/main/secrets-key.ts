import { join } from 'node:path';
import { base32 } from '../contract/ids.ts';
import type { Rng } from '../kit/clock.ts';
import { keptSecret } from './kept-secret.ts';

const KEY_BYTES = 32;

/** What secrets are sealed with: `secrets.key` in the data folder, for its owner's eyes only. Without it they are lost. */
export function secretsKey(dataDir: string, rng: Rng): Uint8Array {
  return Buffer.from(keptSecret(join(dataDir, 'secrets.key'), () => base32(rng.bytes(KEY_BYTES))));
}
