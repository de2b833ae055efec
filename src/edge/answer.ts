import { STATUS_CODES } from 'node:http';
import type { ArcError } from '../contract/errors.ts';
import { prefersHtml } from './accept.ts';
import type { ClientRequest, ClientResponse } from './front/client.ts';
import { errorDocument, errorPage, PAGE_POLICY } from './page.ts';

/** Says which answers are the edge's own, by code. A sandbox can't send it. */
export const ERROR_HEADER = 'Arc-Error';

const RETRY_AFTER_S = 1;

/** Header fields and body of an error, for whoever asked. */
export function errorAnswer(error: ArcError, accept: string | undefined): { headers: string[]; body: Buffer } {
  const html = prefersHtml(accept);
  const starting = error.code === 'starting';
  const body = Buffer.from(html ? errorPage(error, starting ? RETRY_AFTER_S : 0) : errorDocument(error));
  const headers = [
    'Content-Type',
    html ? 'text/html; charset=utf-8' : 'application/problem+json',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    ERROR_HEADER,
    error.code,
  ];
  if (html) headers.push('Content-Security-Policy', PAGE_POLICY);
  if (error.status === 503 && error.retryable) headers.push('Retry-After', String(RETRY_AFTER_S));
  return { headers, body };
}

/** Answers with an error. Gives up the connection where that can't be done any more. */
export function answerError(
  request: ClientRequest,
  response: ClientResponse,
  error: ArcError,
  more: readonly string[] = [],
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { headers, body } = errorAnswer(error, request.headers.accept);
  response.writeHead(error.status, STATUS_CODES[error.status] ?? '', [...headers, ...more]);
  if (request.method === 'HEAD') response.end();
  else response.end(body);
}

/** The same for a connection that has no (proper) request: as bytes, and the last ones. */
export function rawErrorAnswer(error: ArcError, statusText: string): Buffer {
  const { headers, body } = errorAnswer(error, undefined);
  let head = `HTTP/1.1 ${error.status} ${statusText}\r\nConnection: close\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), body]);
}
