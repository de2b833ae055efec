import type { IncomingMessage, Server, ServerResponse } from 'node:http';
// Declares tags and summaries on schemas; the plugin itself is loaded by docs.ts.
import type {} from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { ArcError } from '../../contract/errors.ts';
import type { Caller } from '../service.ts';
import type { ApiDeps } from './deps.ts';
import type { Access } from './guard/access.ts';

import type { Rates } from './guard/rates.ts';
import type { Metrics } from './metrics/metrics.ts';

import type { Live } from './stream/live.ts';
import type { Sockets } from './stream/sockets.ts';

export type App = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

/** What every resource's file is given. */
export interface ApiContext {
  readonly deps: ApiDeps;
  readonly live: Live;
  readonly rates: Rates;
  readonly metrics: Metrics;
  readonly sockets: Sockets;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
    /** The code of the error that it was answered with. */
    refusedWith: string | null;
  }
  interface FastifyContextConfig {
    access?: Access;
    /** The handler reads the body itself, chunk by chunk; the media type that the description names, or `none`. */
    streamedBody?: string;
  }
}

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new ArcError('unauthorized', 'this needs a key');
  return request.caller;
}

/** Does the client ask for this media type by name? `*` asks for nothing in particular. */
export function accepts(
  request: { readonly headers: { readonly accept?: string | undefined } },
  type: string,
): boolean {
  return (request.headers.accept ?? '')
    .toLowerCase()
    .split(',')
    .some((part) => part.split(';', 1)[0]?.trim() === type);
}

/** Marks a schema as the JSON answer of a status, with the words that the readable page shows. */
export function answer(description: string, schema: TSchema): TSchema {
  return { description, content: { 'application/json': { schema } } } as unknown as TSchema;
}

export function noContent(reply: FastifyReply, status: 200 | 201 | 204 = 204): FastifyReply {
  return reply.code(status).send();
}
