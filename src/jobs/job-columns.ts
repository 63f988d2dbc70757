/** The columns that `jobs` and `job_history` share, in one place so that a job can move between them. */
export const JOB_COLUMNS = [
  'id',
  'sequence_number',
  'tenant_id',
  'scenario',
  'parameters',
  'queue',
  'priority',
  'requirements',
  'engine',
  'classification',
  'confidence',
  'tags',
  'status',
  'paused',
  'lane_id',
  'position',
  'run_at',
  'due_at',
  'max_retries',
  'timeout_seconds',
  'attempt',
  'failures',
  'releases',
  'retry_count',
  'node_id',
  'node_name',
  'claim_id',
  'lease_token',
  'reported_token',
  'reported_as',
  'event_count',
  'event_order',
  'created_at',
  'assigned_at',
  'started_at',
  'error',
  'failure_reason',
] as const;

export type JobColumn = (typeof JOB_COLUMNS)[number];

/** The shared columns as a select list of `alias`, some of them replaced by other expressions. */
export function jobColumns(alias: string, replaced: Partial<Record<JobColumn, string>> = {}): string {
  return JOB_COLUMNS.map((column) =>
    replaced[column] ? `${replaced[column]} AS ${column}` : `${alias}.${column}`,
  ).join(', ');
}

/** Today, as partitions count days. */
export const TODAY = "(now() AT TIME ZONE 'UTC')::date";

/** The database's time in microseconds: the unit of `position`. */
export const NOW_US = '(extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

/** In June 2255, the last microsecond that is a number of JavaScript: masters read no greater one. */
export const LAST_POSITION = String(Number.MAX_SAFE_INTEGER);
