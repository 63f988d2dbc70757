/** Schemas of what is sent, from the same classes that check it. */
import { createRequire } from 'node:module';
import type { Type } from '@nestjs/common';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';

export type Schema = Record<string, unknown>;

const PREFIX = '#/components/schemas/';

/** Those of the given classes and of the classes they contain, by name. */
export function requestSchemas(classes: readonly Type[]): Record<string, Schema> {
  const all = validationMetadatasToSchemas({
    classTransformerMetadataStorage: transformerMetadata(),
    refPointerPrefix: PREFIX,
    additionalConverters: {
      isPlainText: { type: 'string', minLength: 1, description: 'Printable, not beginning with "-".' },
      isTimestamp: { type: 'string', format: 'date-time' },
      isLabels: {
        type: 'object',
        maxProperties: 32,
        additionalProperties: { type: 'string', maxLength: 128 },
      },
    },
  }) as Record<string, Schema>;
  const wanted: Record<string, Schema> = {};
  const queue = classes.map(({ name }) => name);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const schema = all[name];
    if (!schema || wanted[name]) continue;
    // As the validation has it: unknown fields are refused.
    wanted[name] = { ...schema, additionalProperties: false };
    queue.push(...references(schema));
  }
  return wanted;
}

function references(schema: unknown): string[] {
  const text = JSON.stringify(schema);
  return [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].flatMap(([, name]) => name ?? []);
}

/** Which class a nested field has; class-transformer shows it nowhere else. */
function transformerMetadata() {
  type Storage = NonNullable<
    Parameters<typeof validationMetadatasToSchemas>[0]
  >['classTransformerMetadataStorage'];
  const require = createRequire(import.meta.url);
  return (require('class-transformer/cjs/storage.js') as { defaultMetadataStorage: Storage })
    .defaultMetadataStorage;
}
