import { Type } from 'typebox';
import { ERRORS } from '../errors.ts';

/** A problem document (RFC 9457) as every error is answered; `contract/errors.ts` has its codes. */
export const Problem = Type.Object(
  {
    type: Type.String({ examples: ['urn:arc:error:not_found'] }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Unsafe<keyof typeof ERRORS>({ type: 'string', enum: Object.keys(ERRORS) }),
    hint: Type.String(),
    /** Can the same request succeed later without being changed? */
    retryable: Type.Boolean(),
    /** Of `invalid_request` and `invalid_template`: each field that is not right. */
    faults: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
  },
  { $id: 'Problem' },
);
