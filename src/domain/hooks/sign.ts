import { createHmac } from 'node:crypto';

/** Secrets are written as the Standard Webhooks specification has it, so that its libraries take them as they are. */
export const HOOK_SECRET_PREFIX = 'whsec_';

export function hookSecret(bytes: Uint8Array): string {
  return `${HOOK_SECRET_PREFIX}${Buffer.from(bytes).toString('base64')}`;
}

/** The headers by which a receiver knows that a message is from here, is whole, and is not an old one sent again. */
export function signedHeaders(
  secret: string,
  message: { readonly id: string; readonly at: number; readonly body: string },
): Readonly<Record<string, string>> {
  const key = Buffer.from(secret.slice(HOOK_SECRET_PREFIX.length), 'base64');
  const seconds = String(Math.floor(message.at / 1_000));
  const mac = createHmac('sha256', key).update(`${message.id}.${seconds}.${message.body}`).digest('base64');
  return { 'webhook-id': message.id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${mac}` };
}
