import { type Static, Type } from 'typebox';
import { DurationText } from './template.ts';

/** A link for the person who uses one sandbox and has no key: what it opens, and until when. */

const closed = { additionalProperties: false } as const;

/** `app`: its web pages beside everything else; the others as they are called. */
export const LINK_SCOPES = ['app', 'terminal', 'logs', 'extend', 'reset'] as const;
export type LinkScope = (typeof LINK_SCOPES)[number];

/** What every secret of a link begins with, so that it is never taken for a key. */
export const LINK_SECRET_PREFIX = 'arcl_';

const Scopes = Type.Array(Type.Enum(LINK_SCOPES), { minItems: 1, maxItems: LINK_SCOPES.length, uniqueItems: true });

export const LinkRequest = Type.Object(
  {
    /** Default: all of it. */
    may: Type.Optional(Scopes),
    /** How long it opens anything. Default 8h, at most 30 days. */
    for: Type.Optional(DurationText),
    /** How much time from now one extension gives. Default 30m. */
    extendBy: Type.Optional(DurationText),
  },
  { ...closed, $id: 'LinkRequest' },
);
export type LinkRequest = Static<typeof LinkRequest>;

export const LinkView = Type.Object(
  {
    id: Type.String(),
    sandbox: Type.String(),
    may: Scopes,
    extendBy: DurationText,
    createdAt: Type.String({ format: 'date-time' }),
    expiresAt: Type.String({ format: 'date-time' }),
    /** Only in the answer that made it. The secret stands behind the `#`, which browsers send to no server. */
    url: Type.Optional(Type.String()),
  },
  { ...closed, $id: 'LinkView' },
);
export type LinkView = Static<typeof LinkView>;

/** What the person's page asks first: which sandbox its link opens, and for what. */
export const LinkGrantView = Type.Object(
  {
    sandbox: Type.String(),
    may: Scopes,
    extendBy: DurationText,
    expiresAt: Type.String({ format: 'date-time' }),
  },
  { ...closed, $id: 'LinkGrantView' },
);
export type LinkGrantView = Static<typeof LinkGrantView>;

export const SignInRequest = Type.Object(
  { key: Type.String({ minLength: 1, maxLength: 512 }) },
  { ...closed, $id: 'SignInRequest' },
);

/** Who is signed in to the console. The secret itself is in a cookie that no script can read. */
export const SessionView = Type.Object(
  {
    owner: Type.String(),
    scopes: Type.Array(Type.String()),
    expiresAt: Type.String({ format: 'date-time' }),
    /** Goes with each request as `Arc-Csrf`: pages of other origins can neither read nor send it. */
    csrf: Type.String(),
  },
  { ...closed, $id: 'SessionView' },
);
export type SessionView = Static<typeof SessionView>;
