import { ArcError } from '../../contract/errors.ts';
import type { Caller, Scope } from '../service.ts';

export function isAdmin(caller: Caller): boolean {
  return caller.scopes.includes('admin');
}

/** Throws forbidden. */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!isAdmin(caller) && !caller.scopes.includes(scope)) {
    throw new ArcError('forbidden', `this key has no scope ${scope}`);
  }
}
