import { type Static, Type } from 'typebox';
import { DurationText, PortNumber } from './template.ts';

const closed = { additionalProperties: false } as const;

/** POST /v1/sandboxes/{id}/tokens */
export const AccessTokenRequest = Type.Object(
  { port: Type.Optional(PortNumber), ttl: Type.Optional(DurationText) },
  { ...closed, $id: 'AccessTokenRequest' },
);
export type AccessTokenRequest = Static<typeof AccessTokenRequest>;

/** A way through the edge for whoever has it. */
export const AccessToken = Type.Object(
  {
    /** Opens the sandbox in a browser, which then has a cookie for it. */
    url: Type.String(),
    /** The same for programs, in the header `Arc-Token`. */
    token: Type.String(),
    expiresAt: Type.String({ format: 'date-time' }),
  },
  { ...closed, $id: 'AccessToken' },
);
export type AccessToken = Static<typeof AccessToken>;
