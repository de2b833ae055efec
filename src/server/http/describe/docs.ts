import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyContextConfig, FastifySchema } from 'fastify';
import { Problem } from '../../../contract/schemas/problem.ts';
import type { App } from '../app.ts';
import { nameSchemas, shareSchemas } from './openapi-schemas.ts';

/** Of the API's shape, not of the program: the checked-in file changes only when the API does. */
const API_VERSION = '1.0.0';

const BINARY = { type: 'string', format: 'binary' };
const PROBLEM_ANSWER = {
  description: 'What went wrong',
  content: { 'application/problem+json': { schema: Problem } },
};

const DESCRIPTION = [
  'Isolated sandboxes on demand, for code nobody trusts.',
  'Durations are written as `30m`, sizes as `64MiB`, times as RFC 3339. Errors are problem documents (RFC 9457) with a stable `code`.',
].join(' ');

/** The description of the API, made from the same schemas that check it. Must be added before the routes. */
export function describeApi(app: App): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Arc', description: DESCRIPTION, version: API_VERSION, license: { name: 'Apache-2.0' } },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    },
    transform: ({ schema, url, route }) => {
      if (url.startsWith('/docs') || url === '/openapi.json') return { schema: { hide: true }, url };
      return { schema: described(schema ?? {}, route.config ?? {}), url };
    },
    transformObject: (document) =>
      'openapiObject' in document ? shareSchemas(document.openapiObject) : document.swaggerObject,
  });
}

/** A route's schema with what holds for every route, and what only its configuration says. */
function described(schema: FastifySchema, config: FastifyContextConfig): FastifySchema {
  const { access = 'admin', streamedBody } = config;
  const copy = nameSchemas(schema) as FastifySchema;
  const response = { ...(copy.response as Record<string, unknown>), default: nameSchemas(PROBLEM_ANSWER) };
  const content =
    streamedBody === undefined || streamedBody === 'none' ? {} : { body: BINARY, consumes: [streamedBody] };
  const security =
    access === 'public' || access === 'own' ? {} : { security: [{ key: access === 'any' ? [] : [access] }] };
  return { ...copy, ...content, ...security, response };
}

/** The readable page. Everything it loads comes from this server, so it works without a network. */
export async function showDocs(app: App): Promise<void> {
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { docExpansion: 'list', deepLinking: true, validatorUrl: null, persistAuthorization: false },
  });
}
