/**
 * Answers as the Go programs of ffmpeg-rtmp decode them: a value of another kind than its field's is an error there, and a
 * node's id without a name a panic. What a field lacks is its zero.
 */
type Kind =
  | 'string'
  | 'integer'
  | 'unsigned'
  | 'number'
  | 'boolean'
  | 'time'
  | 'object'
  | 'texts'
  | 'strings'
  | 'transitions';

const JOB: Readonly<Record<string, Kind>> = {
  id: 'string',
  sequence_number: 'integer',
  scenario: 'string',
  confidence: 'string',
  engine: 'string',
  parameters: 'object',
  status: 'string',
  queue: 'string',
  priority: 'string',
  progress: 'integer',
  node_id: 'string',
  node_name: 'string',
  created_at: 'time',
  started_at: 'time',
  last_activity_at: 'time',
  completed_at: 'time',
  retry_count: 'integer',
  max_retries: 'integer',
  error: 'string',
  failure_reason: 'string',
  logs: 'string',
  state_transitions: 'transitions',
  wrapper_enabled: 'boolean',
};

const NODE: Readonly<Record<string, Kind>> = {
  id: 'string',
  name: 'string',
  address: 'string',
  type: 'string',
  cpu_threads: 'integer',
  cpu_model: 'string',
  cpu_load_percent: 'number',
  has_gpu: 'boolean',
  gpu_type: 'string',
  gpu_capabilities: 'strings',
  ram_total_bytes: 'unsigned',
  ram_free_bytes: 'unsigned',
  labels: 'texts',
  status: 'string',
  last_heartbeat: 'time',
  registered_at: 'time',
  current_job_id: 'string',
};

export interface OldJob {
  readonly id: string;
  readonly sequence_number: number;
  readonly scenario: string;
  readonly status: string;
  readonly retry_count: number;
  readonly node_id?: string;
  readonly node_name?: string;
  readonly logs?: string;
  readonly error?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly state_transitions?: readonly { from: string; to: string; timestamp: string; reason?: string }[];
}

export interface OldNode {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly status: string;
  readonly current_job_id?: string;
}

export function decodeJob(value: unknown): OldJob {
  const job = decode('Job', value, JOB) as unknown as OldJob;
  if ((value as { wrapper_enabled?: boolean }).wrapper_enabled === true)
    throw new Error('Job.wrapper_enabled: the agent would start a wrapper that nobody asked for');
  if (job.node_id !== undefined && (job.node_name ?? '') === '')
    throw new Error('Job.node_name is missing beside node_id: the CLI slices it and panics');
  return job;
}

export function decodeNode(value: unknown): OldNode {
  return decode('Node', value, NODE) as unknown as OldNode;
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

function decode(
  model: string,
  value: unknown,
  fields: Readonly<Record<string, Kind>>,
): Record<string, unknown> {
  if (!isObject(value)) throw new Error(`${model} is no object: ${JSON.stringify(value)}`);
  for (const [name, kind] of Object.entries(fields)) {
    const cell = value[name];
    if (cell === undefined || cell === null || fits(kind, cell)) continue;
    throw new Error(`${model}.${name} is no ${kind}: ${JSON.stringify(cell)}`);
  }
  return value;
}

function fits(kind: Kind, cell: unknown): boolean {
  switch (kind) {
    case 'integer':
      return Number.isSafeInteger(cell);
    case 'unsigned':
      return Number.isSafeInteger(cell) && (cell as number) >= 0;
    case 'time':
      return typeof cell === 'string' && RFC3339.test(cell);
    case 'object':
      return isObject(cell);
    case 'texts':
      return isObject(cell) && Object.values(cell).every((one) => typeof one === 'string');
    case 'strings':
      return Array.isArray(cell) && cell.every((one) => typeof one === 'string');
    case 'transitions':
      return Array.isArray(cell) && cell.every((one) => isObject(one) && fits('time', one['timestamp']));
    default:
      return typeof cell === kind;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
