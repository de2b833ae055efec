import { ArcError } from '../../../contract/errors.ts';
import type { LinkScope } from '../../../contract/schemas/link.ts';
import type { Caller } from '../../service.ts';
import type { RouteName } from './access.ts';

/**
 * What a link to one sandbox may call, and by which of its scopes; `any`: every link. What is not in here is refused,
 * so a new route is closed to links by being forgotten.
 */
const LINK_ACCESS: Partial<Record<RouteName, LinkScope | 'any'>> = {
  'GET /v1/link': 'any',
  'GET /v1/events': 'any',
  'GET /v1/sandboxes/:id': 'any',
  'GET /v1/sandboxes/:id/terminal': 'terminal',
  'GET /v1/sandboxes/:id/logs': 'logs',
  'POST /v1/sandboxes/:id/extend': 'extend',
  'POST /v1/sandboxes/:id/reset': 'reset',
};

/** Throws forbidden. Callers with a key of their own pass. @param id the sandbox in the path, where there is one. */
export function requireLinkAccess(caller: Caller, method: string, route: string, id: string | undefined): void {
  const { link } = caller;
  if (link === undefined) return;
  const table: Record<string, LinkScope | 'any' | undefined> = LINK_ACCESS;
  const wanted = table[`${method} ${route}`];
  if (wanted === undefined) throw new ArcError('forbidden', 'a link can not do this', { hint: 'Use a key.' });
  if (route.includes(':id') && id !== link.sandbox) {
    throw new ArcError('forbidden', 'this link opens another sandbox');
  }
  if (wanted !== 'any' && !link.may.includes(wanted)) {
    throw new ArcError('forbidden', `this link was made without \`${wanted}\``);
  }
}
