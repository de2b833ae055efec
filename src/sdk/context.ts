import { ArcError } from '../contract/errors.ts';
import type { Http } from './http.ts';
import { Session } from './session.ts';
import { Socket, type SocketFactory } from './socket.ts';
import type { Wait } from './wait.ts';

/** What every part of the SDK stands on. */
export interface Context {
  readonly http: Http;
  readonly socket: SocketFactory;
  readonly wait: Wait;
}

/** Opens `path` as a WebSocket and says `first` on it. */
export async function openSession(context: Context, path: string, first: unknown, probe: string): Promise<Session> {
  const url = context.http.url(path).replace(/^http/, 'ws');
  const socket = new Socket(context.socket(url, context.http.protocols), context.wait);
  try {
    await socket.opened;
  } catch (cause) {
    // A refused WebSocket doesn't say why, so the reason is asked for the plain way.
    // A link may not ask there, and then that says nothing.
    await context.http.json('GET', probe).catch((error) => {
      if (!(error instanceof ArcError && error.code === 'forbidden')) throw error;
    });
    throw new ArcError('not_connected', `no WebSocket at ${url}`, { cause });
  }
  return Session.begin(socket, first);
}
