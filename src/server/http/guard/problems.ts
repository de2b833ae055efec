import type { FastifyReply, FastifyRequest } from 'fastify';
import { ArcError, type ErrorCode, type Problem, toProblem } from '../../../contract/errors.ts';
import type { Logger } from '../../../kit/logger.ts';
import { RETRY_AFTER_S } from '../limits.ts';
import { methodsFor } from './access.ts';

export const PROBLEM_TYPE = 'application/problem+json';

const CODES_OF_FASTIFY: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_MAX_PARAM_LENGTH: 'url_too_long',
};

/** Anything thrown → ArcError. What we did not word ourselves is kept as the cause and not shown. */
export function toArcError(error: unknown, requestId: string): ArcError {
  if (error instanceof ArcError) return error;
  const code = error instanceof Error && 'code' in error ? CODES_OF_FASTIFY[String(error.code)] : undefined;
  if (code !== undefined) return new ArcError(code, error instanceof Error ? error.message : '', { cause: error });
  return new ArcError('internal', `the server log has it under ${requestId}`, { cause: error });
}

/** The chain of causes, one line each; never sent, only logged. */
export function causeChain(error: unknown): readonly string[] {
  const lines: string[] = [];
  for (let cause = error; cause !== undefined && cause !== null && lines.length < 10; ) {
    lines.push(cause instanceof Error ? (cause.stack ?? String(cause)) : String(cause));
    if (cause instanceof AggregateError) for (const one of cause.errors.slice(0, 5)) lines.push(String(one));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

export function problemFor(error: unknown, requestId: string, log: Logger): { problem: Problem; status: number } {
  const arc = toArcError(error, requestId);
  // A 503 or 504 that says "again in a moment" is the system at work, not broken.
  if (arc.status >= 500 && !arc.retryable) {
    log.error({ request: requestId, code: arc.code, causes: causeChain(arc) }, 'request failed');
  } else {
    log.debug({ request: requestId, code: arc.code, detail: arc.message }, 'request refused');
  }
  return { problem: toProblem(arc), status: arc.status };
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: unknown, log: Logger): void {
  if (request.raw.socket.destroyed || reply.raw.destroyed) {
    // Nobody is there to be told, and it is no fault of ours.
    reply.hijack();
    log.debug({ request: request.id, causes: causeChain(error) }, 'the client went away');
    return;
  }
  const { problem, status } = problemFor(error, request.id, log);
  request.refusedWith = problem.code;
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="arc"');
  const wait = retryAfter(problem);
  if (wait !== undefined) reply.header('retry-after', String(wait));
  // What is left of a refused upload would be read as the next request.
  if (!request.raw.complete) reply.header('connection', 'close');
  reply
    .code(status)
    .header('content-type', PROBLEM_TYPE)
    .send(Buffer.from(JSON.stringify(problem)));
}

/** Seconds after which it is worth another try. */
export function retryAfter({ status, retryAfterMs }: Problem): number | undefined {
  if (typeof retryAfterMs === 'number') return Math.max(1, Math.ceil(retryAfterMs / 1_000));
  return status === 503 ? RETRY_AFTER_S : undefined;
}

export function noRoute(request: FastifyRequest, reply: FastifyReply): never {
  const path = request.url.split('?', 1)[0] ?? '/';
  const methods = methodsFor(path);
  if (methods.length === 0) throw new ArcError('not_found', `nothing is at ${path.slice(0, 200)}`);
  reply.header('allow', methods.join(', '));
  throw new ArcError('method_not_allowed', `${request.method} is not possible here, only ${methods.join(', ')}`);
}
