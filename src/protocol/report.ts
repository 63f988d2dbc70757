import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { RidingClaim, type ClaimedAttempt } from './claim.js';
import { FAILURE_REASONS, type FailureReason } from './failure-reason.js';

export const REPORT_STATUSES = ['completed', 'failed', 'canceled', 'released'] as const;
export type ReportStatus = (typeof REPORT_STATUSES)[number];

export class ResultStream {
  @IsIn(['video', 'audio', 'subtitle', 'data', 'attachment']) type: string;
  @IsString() @MaxLength(64) codec: string;
  @IsOptional() @IsInt() @Min(0) width?: number;
  @IsOptional() @IsInt() @Min(0) height?: number;
  @IsOptional() @IsNumber() @Min(0) fps?: number;
  @IsOptional() @IsInt() @Min(0) bit_rate?: number;
  @IsOptional() @IsInt() @Min(0) sample_rate?: number;
  @IsOptional() @IsInt() @Min(0) channels?: number;
  @IsOptional() @IsNumber() @Min(0) duration_seconds?: number;
}

/** What an attempt made, as probed before it was reported. */
export class JobResult {
  /** The output's logical name, or the target of a stream. */
  @IsOptional() @IsString() @MaxLength(1024) output?: string;
  @IsOptional() @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) size_bytes?: number;
  @IsOptional() @IsNumber() @Min(0) duration_seconds?: number;
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(64)
  @ValidateNested({ each: true })
  @Type(() => ResultStream)
  streams?: ResultStream[];
  /** Figures of the run, e.g. `{ "fps": 231.5, "speed": 7.7 }`. */
  @IsOptional() @IsObject() metrics?: Record<string, unknown>;
}

export class AttemptReport {
  @IsUUID() job_id: string;
  @IsInt() @Min(1) @Max(Number.MAX_SAFE_INTEGER) lease_token: number;
  @IsIn(REPORT_STATUSES) status: ReportStatus;
  @IsOptional() @ValidateNested() @Type(() => JobResult) result?: JobResult;
  @IsOptional() @IsString() @MaxLength(8192) error?: string;
  @IsOptional() @IsIn(FAILURE_REASONS) failure_reason?: FailureReason;
}

/** `POST /api/v1/nodes/{id}/report`. */
export class ReportRequest {
  @IsArray()
  @ArrayMaxSize(1024)
  @ValidateNested({ each: true })
  @Type(() => AttemptReport)
  results: AttemptReport[];
  @IsOptional() @ValidateNested() @Type(() => RidingClaim) claim?: RidingClaim;
}

/**
 * `accepted`: this report ended the attempt. `duplicate`: it already had, and the effect stands.
 * `stale`: the attempt is another's or over; nothing changed.
 */
export type ReportOutcome = 'accepted' | 'duplicate' | 'stale';

export interface ReportAnswer {
  results: { job_id: string; outcome: ReportOutcome }[];
  jobs: ClaimedAttempt[];
}
