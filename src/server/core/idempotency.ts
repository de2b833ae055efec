import { createHash } from 'node:crypto';
import { ArcError } from '../../contract/errors.ts';
import type { CreateRequest } from '../../contract/schemas/sandbox.ts';
import type { Store, Write } from '../../store/store.ts';
import type { Caller } from '../service.ts';
import { IDEMPOTENCY } from './row.ts';

const KEY = /^[!-~]{1,255}$/;

/** What a key stands for: written in the same commit as the sandbox, forgotten with it. */
interface Used {
  readonly sandbox: string;
  readonly request: string;
}

export interface IdempotencyKey {
  readonly id: string;
  readonly request: string;
}

export function idempotencyKey(caller: Caller, key: string, request: CreateRequest): IdempotencyKey {
  if (!KEY.test(key))
    throw new ArcError('invalid_request', 'Idempotency-Key: 1 to 255 visible ASCII characters are wanted');
  return { id: digest(`${caller.owner}\0${key}`), request: digest(canonical(request)) };
}

/** The sandbox that was created with this key. Throws idempotency_conflict where it was used for another request. */
export async function usedFor(store: Store, key: IdempotencyKey): Promise<string | undefined> {
  const doc = await store.get<Used>(IDEMPOTENCY, key.id);
  if (!doc) return undefined;
  if (doc.value.request !== key.request) {
    throw new ArcError('idempotency_conflict', 'this idempotency key was used with another request body');
  }
  return doc.value.sandbox;
}

export function useWrite(key: IdempotencyKey, sandbox: string): Write {
  const value: Used = { sandbox, request: key.request };
  return { op: 'put', kind: IDEMPOTENCY, id: key.id, value, ifRevision: 0 };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** JSON with sorted keys: the same request is the same text however it was written. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`;
}
