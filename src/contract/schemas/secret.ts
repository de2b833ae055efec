import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false } as const;

export const SECRET_NAME_PATTERN = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
export const SECRET_BYTES_MAX = 32_768;
export const SecretName = Type.String({ pattern: SECRET_NAME_PATTERN });

export const SecretRequest = Type.Object(
  { value: Type.String({ minLength: 1, maxLength: SECRET_BYTES_MAX }) },
  { ...closed, $id: 'SecretRequest' },
);

/** A secret as it is shown: never its value. */
export const SecretView = Type.Object(
  { name: Type.String(), setAt: Type.String({ format: 'date-time' }) },
  { ...closed, $id: 'SecretView' },
);
export type SecretView = Static<typeof SecretView>;

export const FlagView = Type.Object({ flag: Type.String() }, { ...closed, $id: 'FlagView' });
export type FlagView = Static<typeof FlagView>;
