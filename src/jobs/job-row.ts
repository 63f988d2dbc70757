import type { FailureReason } from '../protocol/failure-reason.js';
import type { JobParameters } from '../protocol/job-parameters.js';
import { instantText } from '../protocol/instant-text.js';
import { isTerminal, type JobStatus } from '../protocol/job-status.js';
import type { Job, WaitingFor } from '../protocol/job.js';
import type { JobResult } from '../protocol/report.js';
import type { Requirements } from '../protocol/requirements.js';

/** A job as read from `jobs` (with its lease) or from `job_history`. */
export interface JobRow {
  id: string;
  sequence_number: number;
  tenant_id: string;
  scenario: string;
  parameters: JobParameters;
  queue: string;
  priority: string;
  requirements: Requirements;
  engine: string;
  classification: string | null;
  confidence: string | null;
  tags: string[];
  status: JobStatus;
  paused: boolean;
  lane_id: number;
  run_at: Date | null;
  due_at: Date | null;
  max_retries: number;
  timeout_seconds: number | null;
  attempt: number;
  retry_count: number;
  node_id: string | null;
  node_name: string | null;
  lease_token: number | null;
  created_at: Date;
  assigned_at: Date | null;
  started_at: Date | null;
  error: string | null;
  failure_reason: FailureReason | null;
  progress: number | null;
  result: JobResult | null;
  completed_at: Date | null;
  /** The day of history that holds it; of live jobs absent. */
  archived_on?: string;
}

/**
 * The job as `/api/v1` answers it. `blocked` tells what keeps the jobs of a lane from being claimed, as
 * far as this master knows.
 */
export function toJob(row: JobRow, blocked: (lane_id: number) => WaitingFor | null): Job {
  return {
    id: row.id,
    sequence_number: row.sequence_number,
    scenario: row.scenario,
    parameters: row.parameters,
    queue: row.queue,
    priority: row.priority,
    requirements: row.requirements,
    engine: row.engine,
    classification: row.classification,
    confidence: row.confidence,
    tags: row.tags,
    status: row.status,
    paused: row.paused,
    waiting_for: waitingFor(row, blocked),
    progress: row.status === 'completed' ? 100 : Math.round((row.progress ?? 0) * 10) / 10,
    node_id: row.node_id,
    node_name: row.node_name,
    attempt: row.attempt,
    max_retries: row.max_retries,
    retry_count: row.retry_count,
    timeout_seconds: row.timeout_seconds,
    run_at: textOf(row.run_at),
    created_at: instantText(row.created_at),
    assigned_at: textOf(row.assigned_at),
    started_at: textOf(row.started_at),
    completed_at: textOf(row.completed_at),
    error: row.error,
    failure_reason: row.failure_reason,
    result: row.result,
  };
}

function textOf(instant: Date | null): string | null {
  return instant && instantText(instant);
}

function waitingFor(row: JobRow, blocked: (lane_id: number) => WaitingFor | null): WaitingFor | null {
  if (isTerminal(row.status) || row.status === 'assigned' || row.status === 'running') return null;
  if (row.paused) return 'paused';
  if (row.due_at !== null) return 'run_at';
  return blocked(row.lane_id);
}
