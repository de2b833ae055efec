/** Ids are lower-case base32 (RFC 4648 alphabet) behind a prefix, so a sandbox's id is a host label as it is. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

export const SANDBOX_ID = /^sb-[a-z2-7]{4,37}$/;
export const EXEC_ID = /^ex-[a-z2-7]{4,37}$/;

/** Bytes of randomness in an id: 10 bytes are 16 characters, 80 bits, not guessable. */
export const ID_BYTES = 10;

/** @param bytes randomness; the caller brings it, so that ids can be replayed from a seed. */
export function encodeId(prefix: 'sb' | 'ex' | 'key' | 'lk' | 'hk' | 'req', bytes: Uint8Array): string {
  return `${prefix}-${base32(bytes)}`;
}

export function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      text += ALPHABET[(held >> (bits - 5)) & 31];
      bits -= 5;
    }
    held &= (1 << bits) - 1;
  }
  if (bits > 0) text += ALPHABET[(held << (5 - bits)) & 31];
  return text;
}
