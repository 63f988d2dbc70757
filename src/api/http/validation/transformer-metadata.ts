import { createRequire } from 'node:module';
import type { MetadataStorage } from 'class-transformer/types/MetadataStorage.js';

/** What the decorators of class-transformer recorded; the package shows it nowhere else. */
export function transformerMetadata(): MetadataStorage {
  const require = createRequire(import.meta.url);
  return (require('class-transformer/cjs/storage.js') as { defaultMetadataStorage: MetadataStorage })
    .defaultMetadataStorage;
}
