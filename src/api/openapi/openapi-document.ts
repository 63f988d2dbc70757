/**
 * The description of the API (OpenAPI 3.1): paths from the route table, schemas of what is sent from the
 * classes that validate it, words and answers from the files beside this one. Loaded when it is first
 * asked for, since it takes half a second that no start should wait for.
 */
import type { Type } from '@nestjs/common';
import { isOldPath } from '../../ffrtmp/wire/old-routes.js';
import { ANSWER_SCHEMAS } from './answer-schemas.js';
import { type Operation, OPERATIONS } from './operations.js';
import { requestSchemas, type Schema } from './request-schemas.js';
import { routesOf, type Route } from './route-table.js';

export function openApiDocument(controllers: readonly Type[], version: string): Record<string, unknown> {
  // The wire of ffmpeg-rtmp is a contract of its own (docs/moving-from-ffmpeg-rtmp.md).
  const routes = routesOf(controllers).filter(({ path }) => !isOldPath(path));
  const inputs = requestSchemas(routes.flatMap(({ body, query }) => [body ?? [], query ?? []].flat()));
  const queries = new Set(routes.flatMap(({ query }) => query?.name ?? []));
  const schemas = Object.fromEntries(Object.entries(inputs).filter(([name]) => !queries.has(name)));
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: describe(route, inputs) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'ffmpeg-master',
      version,
      description: 'A highly available job scheduler for fleets of ffmpeg workers.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key.' } },
      schemas: { ...schemas, ...ANSWER_SCHEMAS },
    },
  };
}

function describe(route: Route, inputs: Record<string, Schema>): Schema {
  const operation = OPERATIONS[`${route.method} ${route.path}`];
  const { body, query } = route;
  const parameters = [
    ...pathParameters(route),
    ...queryParameters(query && inputs[query.name]),
    ...headers(route),
  ];
  return {
    operationId: route.handler.replace('Controller.', '_'),
    tags: [operation?.tag ?? 'other'],
    summary: operation?.summary ?? route.handler,
    ...(route.public ? { security: [] } : { description: `Takes the permission \`${route.permission}\`.` }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body
      ? {
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: { $ref: `#/components/schemas/${body.name}` },
                ...(operation?.example ? { example: operation.example } : {}),
              },
            },
          },
        }
      : {}),
    responses: {
      [route.status]: answer(operation?.answer ?? null, 'Done'),
      ...Object.fromEntries(
        Object.entries(operation?.also ?? {}).map(([status, name]) => [
          status,
          answer(name, WORDS[status] ?? 'Done'),
        ]),
      ),
      default: {
        description: 'A problem',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

const WORDS: Readonly<Record<string, string>> = { 200: 'Known', 204: 'Nothing further', 503: 'Not now' };

function answer(names: Operation['answer'], description: string): Schema {
  if (names === null) return { description };
  return { description, content: Object.fromEntries([names].flat().map(contentOf)) };
}

function contentOf(name: string): [mediaType: string, Schema] {
  if (name === 'application/json') return [name, { schema: { type: 'object' } }];
  if (name.includes('/')) return [name, { schema: { type: 'string' } }];
  return ['application/json', { schema: { $ref: `#/components/schemas/${name}` } }];
}

const PLACES: Readonly<Record<string, Schema>> = {
  reference: { description: 'The id of a job, or its sequence number.', schema: { type: 'string' } },
  id: { description: 'An id.', schema: { type: 'string', format: 'uuid' } },
};

function pathParameters({ path }: Route): Schema[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...(PLACES[name] ?? { schema: { type: 'string' } }),
  }));
}

function queryParameters(schema: Schema | undefined): Schema[] {
  const properties = (schema?.['properties'] ?? {}) as Record<string, Schema>;
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    schema,
    // `?status=queued,running`
    ...(schema['type'] === 'array' ? { style: 'form', explode: false } : {}),
  }));
}

const HEADERS: Readonly<Record<string, string>> = {
  'idempotency-key': 'Makes a repeat answer the first job, for 24 hours.',
  'last-event-id': 'Go on after this event.',
};

function headers(route: Route): Schema[] {
  return route.headers.map((name) => ({
    name,
    in: 'header',
    ...(HEADERS[name] ? { description: HEADERS[name] } : {}),
    schema: { type: 'string' },
  }));
}
