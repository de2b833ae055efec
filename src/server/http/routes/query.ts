import { type TSchema, Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { StateName } from '../../../contract/schemas/sandbox.ts';
import { DurationText, NAME_PATTERN } from '../../../contract/schemas/template.ts';
import { parseDuration } from '../../../contract/units.ts';
import type { ListFilter } from '../../service.ts';
import {
  CURSOR_CHARS_MAX,
  LABEL_FILTERS_MAX,
  LIST_LIMIT_DEFAULT,
  LIST_LIMIT_MAX,
  PATH_BYTES_MAX,
  WAIT_MS_DEFAULT,
  WAIT_MS_MAX,
} from '../limits.ts';

/** Queries and path parameters that several routes share. */

const closed = { additionalProperties: false } as const;

export const SandboxParams = Type.Object({ id: Type.String({ description: 'The sandbox, such as `sb-…`' }) }, closed);

export const WaitQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.String({ ...DurationText, description: 'How long to wait until it runs; `0` answers at once (202)' }),
    ),
  },
  closed,
);

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ pattern: '^[!-~]{1,255}$' })),
});

export const ListQuery = Type.Object(
  {
    label: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 192 }), {
        maxItems: LABEL_FILTERS_MAX,
        description: '`key=value`, or `key` for any value; several must all match',
      }),
    ),
    state: Type.Optional(StateName),
    template: Type.Optional(Type.String({ pattern: NAME_PATTERN })),
    owner: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'Admins only' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIST_LIMIT_MAX, default: LIST_LIMIT_DEFAULT })),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: CURSOR_CHARS_MAX })),
  },
  closed,
);

export const PathText = Type.String({
  minLength: 1,
  maxLength: PATH_BYTES_MAX,
  pattern: '^/[^\\u0000]*$',
  description: 'Absolute path inside the sandbox',
});

export function filterOf(query: {
  label?: string[];
  state?: ListFilter['state'];
  template?: string;
  owner?: string;
  limit?: number;
  cursor?: string;
}): ListFilter {
  const { label, limit, ...rest } = query;
  return {
    ...(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as Omit<
      typeof rest,
      never
    >),
    ...(label === undefined ? {} : { labels: label }),
    limit: limit ?? LIST_LIMIT_DEFAULT,
  } as ListFilter;
}

export function waitMs(text: string | undefined): number {
  if (text === undefined) return WAIT_MS_DEFAULT;
  const ms = parseDuration(text);
  if (ms === undefined || ms > WAIT_MS_MAX) {
    throw new ArcError('invalid_request', `query.wait: must be a duration of at most ${WAIT_MS_MAX / 60_000}m`);
  }
  return ms;
}

export function items<T extends TSchema>(id: string, schema: T) {
  return Type.Object({ items: Type.Array(schema) }, { ...closed, $id: id });
}
