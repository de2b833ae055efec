import type { Caller, Scope } from '../../service.ts';

/**
 * Who may call what. `public`: no key; `any`: any valid key; `own`: the route itself looks at the key or the cookie; else a key with that scope, or `admin`. A route that is
 * not in here can not be registered, so nothing is open by being forgotten.
 */
export type Access = Scope | 'public' | 'any' | 'own';

export const ACCESS = {
  'GET /healthz': 'public',
  'GET /readyz': 'public',
  // Counts and durations only: no id, no owner, no label.
  'GET /metrics': 'public',
  'GET /v1/metrics': 'admin',
  'GET /openapi.json': 'public',
  'GET /docs*': 'public',
  // The pages themselves hold nothing; what they ask for is asked with a session or a link.
  'GET /': 'public',
  'GET /console*': 'public',
  'GET /open*': 'public',
  'GET /guide*': 'public',
  'POST /v1/session': 'own',
  'GET /v1/session': 'own',
  'DELETE /v1/session': 'own',
  'GET /v1/link': 'any',
  'GET /v1/info': 'any',
  'GET /v1/nodes': 'sandboxes:read',
  'GET /v1/levels': 'sandboxes:read',
  'POST /v1/verify': 'admin',
  'GET /v1/verify': 'admin',
  'GET /v1/events': 'sandboxes:read',
  'GET /v1/stats': 'sandboxes:read',
  'POST /v1/sandboxes': 'sandboxes:write',
  'GET /v1/sandboxes': 'sandboxes:read',
  'GET /v1/sandboxes/:id': 'sandboxes:read',
  'DELETE /v1/sandboxes/:id': 'sandboxes:write',
  'POST /v1/sandboxes/:id/extend': 'sandboxes:write',
  'GET /v1/sandboxes/:id/network': 'sandboxes:read',
  'PATCH /v1/sandboxes/:id/network': 'sandboxes:write',
  'POST /v1/sandboxes/:id/tokens': 'sandboxes:write',
  'POST /v1/sandboxes/:id/restart': 'sandboxes:write',
  'POST /v1/sandboxes/:id/reset': 'sandboxes:write',
  'POST /v1/sandboxes/:id/exec': 'sandboxes:write',
  'GET /v1/sandboxes/:id/exec': 'sandboxes:write',
  'GET /v1/sandboxes/:id/terminal': 'sandboxes:write',
  'GET /v1/sandboxes/:id/execs': 'sandboxes:read',
  'POST /v1/sandboxes/:id/execs/:exec/signal': 'sandboxes:write',
  'GET /v1/sandboxes/:id/logs': 'sandboxes:read',
  'GET /v1/sandboxes/:id/stats': 'sandboxes:read',
  'GET /v1/sandboxes/:id/processes': 'sandboxes:read',
  'GET /v1/sandboxes/:id/files': 'sandboxes:read',
  'PUT /v1/sandboxes/:id/files': 'sandboxes:write',
  'POST /v1/sandboxes/:id/files': 'sandboxes:write',
  'DELETE /v1/sandboxes/:id/files': 'sandboxes:write',
  'GET /v1/sandboxes/:id/files/list': 'sandboxes:read',
  'GET /v1/sandboxes/:id/files/stat': 'sandboxes:read',
  'GET /v1/sandboxes/:id/files/tar': 'sandboxes:read',
  'PUT /v1/sandboxes/:id/files/tar': 'sandboxes:write',
  'POST /v1/sandboxes/:id/links': 'sandboxes:write',
  'GET /v1/sandboxes/:id/links': 'sandboxes:write',
  'DELETE /v1/sandboxes/:id/links/:link': 'sandboxes:write',
  'GET /v1/templates': 'templates:read',
  'POST /v1/templates': 'templates:write',
  'GET /v1/templates/:name': 'templates:read',
  'DELETE /v1/templates/:name': 'templates:write',
  'POST /v1/templates/prune': 'templates:write',
  'GET /v1/alerts': 'admin',
  'GET /v1/hooks': 'admin',
  'POST /v1/hooks': 'admin',
  'DELETE /v1/hooks/:id': 'admin',
  'GET /v1/hooks/:id/deliveries': 'admin',
  'POST /v1/hooks/:id/test': 'admin',
  'GET /v1/keys': 'admin',
  'POST /v1/keys': 'admin',
  'DELETE /v1/keys/:id': 'admin',
  'GET /v1/audit': 'admin',
  'GET /v1/secrets': 'sandboxes:read',
  'PUT /v1/secrets/:name': 'sandboxes:write',
  'DELETE /v1/secrets/:name': 'sandboxes:write',
  'GET /v1/templates/:name/flag': 'admin',
  'GET /v1/quotas': 'admin',
  // One's own; another's only as an admin.
  'GET /v1/quotas/:owner': 'any',
  'PUT /v1/quotas/:owner': 'admin',
  'DELETE /v1/quotas/:owner': 'admin',
} as const satisfies Record<string, Access>;
export type RouteName = keyof typeof ACCESS;

/** @returns undefined for a route that the table does not know; HEAD goes with GET. */
export function accessOf(method: string, url: string): Access | undefined {
  const verb = method === 'HEAD' ? 'GET' : method;
  const table: Record<string, Access> = ACCESS;
  const below = /^\/(docs|console|open|guide)(\/|$)/.exec(url)?.[1];
  return table[`${verb} ${url}`] ?? (below === undefined ? undefined : table[`${verb} /${below}*`]);
}

export function allows(caller: Caller, access: Access): boolean {
  if (access === 'public' || access === 'any' || access === 'own' || caller.scopes.includes('admin')) return true;
  return caller.scopes.includes(access);
}

/** Methods that the table has for a path as it was asked for, for an honest 405. */
export function methodsFor(path: string): readonly string[] {
  const methods = new Set<string>();
  for (const key of Object.keys(ACCESS)) {
    const [method = '', pattern = ''] = key.split(' ');
    const expression = pattern.replaceAll('*', '.*').replaceAll(/:[a-z]+/g, '[^/]+');
    if (new RegExp(`^${expression}$`).test(path)) methods.add(method);
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
