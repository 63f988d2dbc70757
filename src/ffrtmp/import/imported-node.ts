/** A row of `nodes` of ffmpeg-rtmp as a node of ours: off line, until its agent is heard. */
import type { NodeRegistration } from '../../protocol/node-registration.js';
import { registrationOf } from '../wire/old-node.js';
import type { Finding } from './findings.js';
import type { SourceRow } from './import-source.js';
import { RowReader } from './row-reader.js';
import { idOf } from './source-id.js';

export interface ImportedNode {
  readonly id: string;
  readonly registration: NodeRegistration;
  readonly registered_at: string | null;
}

export function readNode(row: SourceRow, zone: string, tell: (finding: Finding) => void): ImportedNode {
  const name =
    typeof row['id'] === 'string' ? row['id'].slice(0, 100) : String(row['address'] ?? 'a row without an id');
  const read = new RowReader(row, 'node', name, zone, tell);
  const sourceId = read.text('id');
  const id = idOf('node', sourceId);
  if (id !== sourceId.toLowerCase())
    read.problem('id', `is no UUID; it arrives as ${id}, and its agent must be started again`, sourceId);
  const capabilities = read.json('gpu_capabilities', 'array')?.value as unknown[] | undefined;
  const labels = read.json('labels', 'object')?.value as Record<string, unknown> | undefined;
  const texts = Object.entries(labels ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const registration = registrationOf({
    address: read.text('address'),
    type: read.text('type') || 'server',
    cpu_threads: read.integer('cpu_threads', 1, 4096, 1),
    cpu_model: read.text('cpu_model'),
    has_gpu: read.boolean('has_gpu'),
    gpu_type: read.text('gpu_type'),
    gpu_capabilities: (capabilities ?? []).filter((one): one is string => typeof one === 'string'),
    ram_total_bytes: read.integer('ram_total_bytes', 0, Number.MAX_SAFE_INTEGER, 0),
    labels: Object.fromEntries(texts),
  });
  for (const key of Object.keys(labels ?? {}))
    if (registration.labels?.[key] === undefined)
      read.problem('labels', `holds one that is no label here, or one too many: ${key.slice(0, 100)}`);
  return { id, registration, registered_at: read.time('registered_at') };
}
