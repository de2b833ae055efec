import type { Clock } from '../../kit/clock.ts';
import type { ClientRequest } from '../front/client.ts';

/** Of a sign-in: a token and a path. */
const FORM_BYTES = 4 * 1024;

/** Reads a small form, in a bounded time; gives undefined where it is larger. The rest is thrown away. */
export function readForm(
  request: ClientRequest,
  late: { readonly clock: Clock; readonly ms: number; readonly giveUp: () => void },
  done: (form: URLSearchParams | undefined) => void,
): void {
  const inTime = late.clock.after(late.ms, late.giveUp);
  const pieces: Buffer[] = [];
  let bytes = 0;
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= FORM_BYTES) pieces.push(piece);
  });
  request.on('end', () => {
    inTime();
    done(bytes > FORM_BYTES ? undefined : new URLSearchParams(Buffer.concat(pieces).toString('latin1')));
  });
}
