import type { FastifyRequest } from 'fastify';
import type { Logger } from '../../../kit/logger.ts';
import type { Audit, Caller } from '../../service.ts';
import { ACCESS, type RouteName } from './access.ts';
import type { Rates } from './rates.ts';

/**
 * What each route that changes anything is called in the audit log. `commit`: the control plane writes it together with
 * the change; `answer`: the change is none of the store's, and it is written when it is over.
 */
export const AUDITED: Readonly<Record<string, readonly [action: string, written: 'commit' | 'answer']>> = {
  'POST /v1/sandboxes': ['sandbox.create', 'commit'],
  'DELETE /v1/sandboxes/:id': ['sandbox.remove', 'commit'],
  'POST /v1/sandboxes/:id/extend': ['sandbox.extend', 'commit'],
  'PATCH /v1/sandboxes/:id/network': ['sandbox.network', 'commit'],
  'POST /v1/sandboxes/:id/restart': ['sandbox.restart', 'commit'],
  'POST /v1/sandboxes/:id/reset': ['sandbox.reset', 'commit'],
  'POST /v1/sandboxes/:id/tokens': ['token.create', 'answer'],
  'POST /v1/sandboxes/:id/exec': ['exec', 'answer'],
  'GET /v1/sandboxes/:id/exec': ['exec', 'answer'],
  'GET /v1/sandboxes/:id/terminal': ['terminal', 'answer'],
  'POST /v1/sandboxes/:id/execs/:exec/signal': ['exec.signal', 'answer'],
  'PUT /v1/sandboxes/:id/files': ['file.write', 'answer'],
  'POST /v1/sandboxes/:id/files': ['file.write', 'answer'],
  'DELETE /v1/sandboxes/:id/files': ['file.remove', 'answer'],
  'PUT /v1/sandboxes/:id/files/tar': ['file.write', 'answer'],
  'POST /v1/sandboxes/:id/links': ['link.create', 'commit'],
  'DELETE /v1/sandboxes/:id/links/:link': ['link.revoke', 'commit'],
  'POST /v1/templates': ['template.add', 'commit'],
  'DELETE /v1/templates/:name': ['template.remove', 'commit'],
  'POST /v1/templates/prune': ['template.prune', 'answer'],
  'POST /v1/keys': ['key.create', 'commit'],
  'DELETE /v1/keys/:id': ['key.revoke', 'commit'],
  'PUT /v1/quotas/:owner': ['quota.set', 'commit'],
  'DELETE /v1/quotas/:owner': ['quota.remove', 'commit'],
  'PUT /v1/secrets/:name': ['secret.set', 'commit'],
  'DELETE /v1/secrets/:name': ['secret.remove', 'commit'],
  'POST /v1/verify': ['verify', 'answer'],
  'POST /v1/hooks': ['hook.add', 'answer'],
  'DELETE /v1/hooks/:id': ['hook.remove', 'answer'],
  'POST /v1/hooks/:id/test': ['hook.test', 'answer'],
  'POST /v1/session': ['session.open', 'answer'],
  'DELETE /v1/session': ['session.close', 'answer'],
};

/** Routes that change something and that nobody named; a test wants there to be none. */
export function unnamed(): readonly string[] {
  return Object.keys(ACCESS).filter((route) => !route.startsWith('GET ') && AUDITED[route] === undefined);
}

/** Refusals of one owner that are written, a second: who is refused all the time pushes nothing else out. */
const REFUSALS_A_SECOND = 1;

export interface Answered {
  readonly route: string;
  readonly caller: Caller | null;
  readonly params: Readonly<Record<string, string>>;
  /** `done`, or the code of the error. */
  readonly outcome: string;
}

/** Writes what the control plane has not written already. Never throws: what was asked is over. */
export async function noteAnswer(
  deps: { readonly audit: Audit; readonly rates: Rates; readonly logger: Logger },
  { route, caller, params, outcome }: Answered,
): Promise<void> {
  const [action, written] = AUDITED[route] ?? [];
  if (action === undefined || caller === null) return;
  const refused = outcome !== 'done';
  if (!refused && written === 'commit') return;
  if (refused && deps.rates.spend(`refused/${caller.owner}`, REFUSALS_A_SECOND) !== undefined) return;
  const subject = params.id ?? params.name ?? params.owner;
  const note = { action, outcome, ...(subject === undefined ? {} : { subject }) };
  await deps.audit.note(caller, note).catch((error) => deps.logger.error({ error, route }, 'no audit was written'));
}

export const routeName = (request: FastifyRequest): RouteName | string =>
  `${request.method === 'HEAD' ? 'GET' : request.method} ${request.routeOptions.url ?? ''}`;
