import { type Static, Type } from 'typebox';
import { type AuditEntry, AuditList } from '../../../contract/schemas/audit.ts';
import { OwnerName } from '../../../contract/schemas/quota.ts';
import type { AuditRecord } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf } from '../app.ts';
import { CURSOR_CHARS_MAX, LABEL_FILTERS_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from '../limits.ts';
import { rfc3339 } from '../view.ts';

const AuditQuery = Type.Object(
  {
    owner: Type.Optional(OwnerName),
    label: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 192 }), {
        maxItems: LABEL_FILTERS_MAX,
        description: 'Of the sandbox: `key=value`, or `key` for any value; several must all match',
      }),
    ),
    subject: Type.Optional(Type.String({ maxLength: 128 })),
    /** Such as `sandbox.create`, or `sandbox` for all that begin so. */
    action: Type.Optional(Type.String({ pattern: '^[a-z]+(\\.[a-z]+)?$', maxLength: 64 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIST_LIMIT_MAX })),
    cursor: Type.Optional(Type.String({ maxLength: CURSOR_CHARS_MAX })),
  },
  { additionalProperties: false },
);

/** Only read: nothing here can change or remove what was written. */
export function auditRoutes(app: App, { deps }: ApiContext): void {
  app.get(
    '/v1/audit',
    {
      schema: {
        ...{ tags: ['audit'], summary: 'Who changed what, the newest first', querystring: AuditQuery },
        response: { 200: answer('A page; with a filter it may be shorter and still have a next one', AuditList) },
      },
    },
    async (request): Promise<AuditList> => {
      const { limit = LIST_LIMIT_DEFAULT, label: labels, ...rest }: Static<typeof AuditQuery> = request.query;
      const filter = { ...rest, ...(labels === undefined ? {} : { labels }) };
      const { items, nextCursor } = await deps.audit.list(callerOf(request), { limit, ...filter });
      return { items: items.map(auditView), ...(nextCursor === undefined ? {} : { nextCursor }) };
    },
  );
}

export function auditView({ seq, at, labels, ...record }: AuditRecord & { readonly seq: number }): AuditEntry {
  return { id: seq, time: rfc3339(at), ...record, ...(labels === undefined ? {} : { labels: { ...labels } }) };
}
