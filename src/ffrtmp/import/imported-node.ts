/** A row of `nodes` of ffmpeg-rtmp as a node of ours: off line, until its agent is heard. */
import type { NodeRegistration } from '../../protocol/node-registration.js';
import { registrationOf } from '../wire/old-node.js';
import type { Finding } from './findings.js';
import type { SourceRow } from './import-source.js';
import { RowReader } from './row-reader.js';
import { idOf } from './source-id.js';

const COLUMNS = new Set(
  `id name tenant_id address type cpu_threads cpu_model has_gpu gpu_type gpu_capabilities ram_total_bytes labels status
   registered_at`.split(/\s+/),
);
/** Of a moment that has passed; the agent's next sign of life brings new ones. */
const PASSED = new Set(['cpu_load_percent', 'ram_free_bytes', 'last_heartbeat', 'current_job_id']);

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
  tellWhatIsLost(row, read, registration, capabilities ?? []);
  return { id, registration, registered_at: read.time('registered_at') };
}

function tellWhatIsLost(
  row: SourceRow,
  read: RowReader,
  registration: NodeRegistration,
  capabilities: readonly unknown[],
): void {
  for (const column of Object.keys(row)) {
    const raw = read.raw(column);
    if (COLUMNS.has(column) || raw === undefined || Number(raw) === 0) continue;
    if (PASSED.has(column)) read.problem(column, 'is of a moment that has passed; it is not kept', raw);
    else read.problem(column, 'is a column of no version that is known; it is not kept', raw);
  }
  const [tenant, name] = [read.text('tenant_id'), read.text('name')];
  if (tenant !== '' && tenant !== 'default')
    read.problem('tenant_id', 'is not kept; the node arrives as one of the tenant default', tenant);
  if (name !== '' && name !== registration.name)
    read.problem('name', `is not kept; the node is named after its address: ${registration.name}`, name);
  if (registration.gpus.length === 0 && read.text('gpu_type') !== '')
    read.problem('gpu_type', 'is not kept, for the node has no GPU', read.text('gpu_type'));
  const texts = capabilities.filter((one) => typeof one === 'string');
  if (
    texts.length < capabilities.length ||
    (texts.length > 0 && !registration.labels?.['ffrtmp/gpu_capabilities'])
  )
    read.problem(
      'gpu_capabilities',
      'are not all texts, or too long together; the rest is kept',
      row['gpu_capabilities'],
    );
  if (read.text('type') !== '' && !registration.labels?.['ffrtmp/type'])
    read.problem('type', 'is no text that can be a label; it is not kept', row['type']);
}
