import { createHmac } from 'node:crypto';

/** Of the hex digits of the MAC: 128 bits, which nobody guesses. */
const DIGITS = 32;

/**
 * What one owner is to find in a sandbox of one template. The same for every sandbox of the two, so that a flag is still
 * right after a reset; another for everybody else, so that a flag that was passed on names who had it.
 * @param format with one `%s` in it, such as `flag{%s}`
 */
export function flagFor(secret: string, owner: string, template: string, format: string): string {
  const mac = createHmac('sha256', secret).update(`arc flag 1\n${owner}\n${template}`).digest('hex');
  return format.replace('%s', () => mac.slice(0, DIGITS));
}
