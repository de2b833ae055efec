import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ArcError, type ErrorCode, toProblem } from '../../../contract/errors.ts';
import { PROBLEM_TYPE } from './problems.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Answers what is no HTTP request at all, before any route is known, with the same kind of document as everything else. */
export function clientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const arc = new ArcError(CODES[error.code ?? ''] ?? 'invalid_request', 'the request could not be read as HTTP');
  const body = JSON.stringify(toProblem(arc));
  const head = [
    `HTTP/1.1 ${arc.status} ${STATUS_CODES[arc.status] ?? 'Error'}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
