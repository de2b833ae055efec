import type { Duplex } from 'node:stream';
import { ArcError } from '../contract/errors.ts';
import { rawErrorAnswer } from './answer.ts';

/** The part of a client's socket that node keeps for itself: the response under way, if any. */
interface ServedSocket extends Duplex {
  readonly _httpMessage?: { readonly _headerSent?: boolean; readonly req?: { readonly complete?: boolean } } | null;
}

const BAD_REQUEST = rawErrorAnswer(
  new ArcError('invalid_request', 'The request is not proper HTTP/1.1.', { hint: 'Use an HTTP client.' }),
  'Bad Request',
);
const TOO_LARGE = rawErrorAnswer(
  new ArcError('headers_too_large', 'The request line and header together are too large.'),
  'Request Header Fields Too Large',
);
const TIMEOUT = rawErrorAnswer(
  new ArcError('request_timeout', 'The header of the request did not arrive in time.'),
  'Request Timeout',
);
const NO_CONNECT = rawErrorAnswer(
  new ArcError('invalid_request', 'CONNECT is not served: this is no forward proxy.', { hint: 'Use GET.' }),
  'Bad Request',
);

/** What could not be read as a request. The connection ends with the answer: nothing after it can be trusted. */
export function answerClientError(cause: NodeJS.ErrnoException, socket: ServedSocket): void {
  const underWay = socket._httpMessage;
  // While an earlier, whole request is being answered, these bytes would be taken for its answer.
  if (!socket.writable || cause.code === 'ECONNRESET' || underWay?._headerSent || underWay?.req?.complete) {
    socket.destroy();
    return;
  }
  let answer = BAD_REQUEST;
  if (cause.code === 'HPE_HEADER_OVERFLOW' || cause.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') answer = TOO_LARGE;
  else if (cause.code === 'ERR_HTTP_REQUEST_TIMEOUT') answer = TIMEOUT;
  lastWords(socket, answer);
}

export function refuseConnect(socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  lastWords(socket, NO_CONNECT);
}

function lastWords(socket: Duplex, answer: Buffer): void {
  socket.end(answer, () => socket.destroy());
}
