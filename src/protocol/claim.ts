import { IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import type { JobParameters } from './job-parameters.js';

/** `POST /api/v1/nodes/{id}/claim`. The same claim_id again gets the same attempts again. */
export class ClaimRequest {
  @IsUUID() claim_id: string;
  @IsInt() @Min(1) @Max(1024) max_jobs: number;
  /** How long the claim may stay parked until there is work; 0 answers at once. */
  @IsOptional() @IsInt() @Min(0) @Max(60) wait_seconds?: number;
}

/** The claim that rides in a report; it never parks. */
export class RidingClaim {
  @IsUUID() claim_id: string;
  @IsInt() @Min(1) @Max(1024) max_jobs: number;
}

/** What a worker needs of a job to run it. */
export interface ClaimedJobBody {
  id: string;
  sequence_number: number;
  scenario: string;
  parameters: JobParameters;
  queue: string;
  priority: string;
  engine: string;
  attempt: number;
  timeout_seconds: number | null;
  created_at: string;
}

export interface ClaimedAttempt {
  job: ClaimedJobBody;
  lease_token: number;
  /** Counted by the worker on its monotonic clock from the moment it sent the request. */
  lease_seconds: number;
}

export interface ClaimAnswer {
  jobs: ClaimedAttempt[];
}
