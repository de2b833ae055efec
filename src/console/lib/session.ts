import { signal } from '@preact/signals';
import { ArcError, type Client, client, type SessionView } from '../../sdk/index.ts';

/** Who is signed in. The secret is in a cookie that no script can read; this holds what goes with it. */

export type Session =
  | { readonly state: 'unknown' }
  | { readonly state: 'out'; readonly why: string }
  | { readonly state: 'in'; readonly view: SessionView; readonly arc: Client };

export const session = signal<Session>({ state: 'unknown' });

export async function resumeSession(): Promise<void> {
  await settle(() => fetch('/v1/session'), '');
}

/** Throws what the server has against the key. */
export async function signIn(key: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch('/v1/session', { method: 'POST', headers, body: JSON.stringify({ key }) });
  if (!response.ok) throw await problemOf(response);
  enter((await response.json()) as SessionView);
}

export async function signOut(why = ''): Promise<void> {
  await fetch('/v1/session', { method: 'DELETE' }).catch(() => {});
  session.value = { state: 'out', why };
}

/** The client of whoever is signed in. Only pages that are shown to them ask. */
export function arc(): Client {
  const held = session.value;
  if (held.state !== 'in') throw new ArcError('unauthorized', 'nobody is signed in');
  return held.arc;
}

/** A session that ended by itself leads to signing in again, and back to the same place. */
export function noteError(error: unknown): void {
  if (error instanceof ArcError && error.code === 'unauthorized' && session.value.state === 'in') {
    session.value = { state: 'out', why: error.message };
  }
}

async function settle(ask: () => Promise<Response>, why: string): Promise<void> {
  try {
    const response = await ask();
    if (response.ok) enter((await response.json()) as SessionView);
    else session.value = { state: 'out', why };
  } catch {
    session.value = { state: 'out', why: 'The server does not answer. Is it running?' };
  }
}

function enter(view: SessionView): void {
  session.value = { state: 'in', view, arc: client({ url: location.origin, csrf: view.csrf }) };
}

async function problemOf(response: Response): Promise<Error> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  return new Error(problem.detail ?? `The server answered ${response.status}`);
}
