import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { ArcError } from '../../contract/errors.ts';
import { errorAnswer } from '../answer.ts';
import type { EdgeLimits } from '../limits.ts';
import type { ClientRequest, ClientResponse } from './client.ts';
import { type H2Head, H2Request, h2Head } from './h2-request.ts';
import { H2Response, h2Fields } from './h2-response.ts';

export type OnRequest = (request: ClientRequest, response: ClientResponse, expectsContinue: boolean) => void;

/** One HTTP/2 connection. Its streams are requests like any other; gives what ends it in order. */
export function serveHttp2(socket: TLSSocket, limits: EdgeLimits, onRequest: OnRequest): () => void {
  const session: ServerHttp2Session = performServerHandshake(socket, {
    // Somewhat more than the limit, so that the answer is 431 rather than a reset.
    maxHeaderListPairs: limits.requestHeaderCount * 2,
    maxSendHeaderBlockLength: limits.responseHeadBytes * 2,
    maxSessionMemory: limits.sessionMiB,
    maxSettings: 16,
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.streamsPerConnection,
      maxHeaderListSize: limits.requestHeadBytes,
    },
  });
  let open = 0;
  session.on('error', () => {});
  session.setTimeout(limits.clientIdleMs, () => {
    if (open === 0) session.close();
  });
  session.on('stream', (...args: unknown[]) => {
    // The raw fields come last, in the client's own order; node's types don't list them.
    const [stream, , , raw] = args as [ServerHttp2Stream, IncomingHttpHeaders, number, string[]];
    open += 1;
    stream.on('error', () => {});
    // Node waits for somebody to read the rest before it says that the stream is closed.
    stream.on('aborted', () => stream.destroy());
    stream.on('close', () => {
      open -= 1;
    });
    serveStream(stream, raw, socket.remoteAddress, limits.requestHeadBytes, onRequest);
  });
  return () => session.close();
}

function serveStream(
  stream: ServerHttp2Stream,
  raw: readonly string[],
  remoteAddress: string | undefined,
  headBytes: number,
  onRequest: OnRequest,
): void {
  let head: H2Head;
  try {
    if (raw.reduce((sum, text) => sum + text.length, 0) > headBytes) {
      throw new ArcError('headers_too_large', 'The header of the request is too large.');
    }
    head = h2Head(raw, stream.readableEnded || stream.endAfterHeaders);
  } catch (error) {
    refuse(stream, error);
    return;
  }
  if (stream.endAfterHeaders) stream.resume();
  const request = new H2Request(stream, head, remoteAddress);
  const expects = raw.some((text, at) => at % 2 === 0 && text === 'expect');
  onRequest(request, new H2Response(stream, head.method), expects);
}

/** What is no proper request gets its answer, and nothing of it goes further. */
function refuse(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed) return;
  const known =
    error instanceof ArcError ? error : new ArcError('invalid_request', 'The request is not proper HTTP/2.');
  const { headers, body } = errorAnswer(known, undefined);
  stream.respond({ ':status': known.status, ...h2Fields(headers) });
  stream.end(body, () => stream.close(constants.NGHTTP2_NO_ERROR));
}
