import type { FailureReason } from './failure-reason.js';
import type { JobParameters } from './job-parameters.js';
import type { JobStatus } from './job-status.js';
import type { JobResult } from './report.js';
import type { Requirements } from './requirements.js';

/** Why a job that is not running is not claimed. */
export type WaitingFor = 'run_at' | 'paused' | 'requirement' | 'limit';

/** A job as `/api/v1` answers it. Times are RFC 3339 in UTC. */
export interface Job {
  id: string;
  sequence_number: number;
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
  waiting_for: WaitingFor | null;
  /** 0 to 100. */
  progress: number;
  node_id: string | null;
  node_name: string | null;
  /** How many attempts have begun. */
  attempt: number;
  max_retries: number;
  retry_count: number;
  timeout_seconds: number | null;
  run_at: string | null;
  created_at: string;
  assigned_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  error: string | null;
  failure_reason: FailureReason | null;
  result: JobResult | null;
}

/** One row of a job's event log. */
export interface JobEvent {
  job_id: string;
  /** Gap-free per job, from 1. */
  n: number;
  type: string;
  from_status: JobStatus | null;
  to_status: JobStatus;
  at: string;
  attempt: number;
  node_id: string | null;
  lease_token: number | null;
  data: Record<string, unknown>;
}
