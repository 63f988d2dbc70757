/** What a master says that it can do: every operation of its OpenAPI document, with its references resolved. */
import type { JsonSchema } from './json-schema.js';

export interface Operation {
  /** As in the document, e.g. `POST /api/v1/nodes/{id}/claim`. */
  readonly name: string;
  readonly method: string;
  /** With its placeholders. */
  readonly path: string;
  /** False for the probes and the page to read. */
  readonly asksForKey: boolean;
  readonly query: Readonly<Record<string, JsonSchema>>;
  readonly headers: readonly string[];
  readonly body: JsonSchema | undefined;
  /** Statuses that the document names, `default` left out. */
  readonly statuses: readonly number[];
}

interface Described {
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { name: string; in: string; schema: JsonSchema }[];
  readonly requestBody?: { content: Record<string, { schema: JsonSchema }> };
  readonly responses: Record<string, unknown>;
}

export interface OpenApiDocument {
  readonly paths: Record<string, Record<string, Described>>;
  readonly components: { schemas: Record<string, JsonSchema> };
}

export function operationsOf(document: OpenApiDocument): Operation[] {
  const resolved = (schema: JsonSchema) => resolve(schema, document.components.schemas);
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => {
      const of = (place: string) => (described.parameters ?? []).filter((one) => one.in === place);
      const body = described.requestBody?.content['application/json']?.schema;
      return {
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        asksForKey: described.security === undefined,
        query: Object.fromEntries(of('query').map(({ name, schema }) => [name, resolved(schema)])),
        headers: of('header').map(({ name }) => name),
        body: body && resolved(body),
        statuses: Object.keys(described.responses).map(Number).filter(Number.isInteger),
      };
    }),
  );
}

/** A copy without references. No schema of a request contains itself. */
function resolve(schema: JsonSchema, named: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_key, value: unknown): unknown => {
    const reference = (value as JsonSchema | null)?.$ref;
    if (typeof reference !== 'string') return value;
    const found = named[reference.replace('#/components/schemas/', '')];
    if (!found) throw new Error(`The document refers to ${reference}, which is not there.`);
    return resolve(found, named);
  }) as JsonSchema;
}
