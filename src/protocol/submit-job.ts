import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { IsTimestamp } from './is-timestamp.js';
import { JobParameters } from './job-parameters.js';
import {
  CLASSIFICATIONS,
  CONFIDENCES,
  ENGINES,
  PRIORITIES,
  QUEUE_NAME,
  type Engine,
  type Priority,
} from './priority.js';
import { PRINTABLE } from './printable.js';
import { Requirements } from './requirements.js';

/** `POST /api/v1/jobs`. */
export class SubmitJob {
  /** What to make, e.g. `1080p-h264` or `4K60-hevc`; any other text is only a label. */
  @IsString()
  @IsNotEmpty()
  @MaxLength(200)
  @Matches(PRINTABLE, { message: '$property must not contain control characters or half characters' })
  scenario: string;

  @IsOptional()
  @ValidateNested()
  @Type(() => JobParameters)
  parameters?: JobParameters;

  /** Default `default`. */
  @IsOptional()
  @Matches(QUEUE_NAME, { message: '$property must be 1 to 63 letters, digits and _ . -' })
  queue?: string;

  /** Default `medium`. */
  @IsOptional()
  @IsIn(PRIORITIES)
  priority?: Priority;

  @IsOptional()
  @ValidateNested()
  @Type(() => Requirements)
  requirements?: Requirements;

  /** RFC 3339 with an offset; the job waits until then. A time in the past means now. */
  @IsOptional()
  @IsTimestamp()
  run_at?: string;

  /** Attempts after the first that may fail; default `retry.max_retries`. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(100)
  max_retries?: number;

  /** Wall clock of one attempt, in seconds; default by the length of the media. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(604_800)
  timeout_seconds?: number;

  @IsOptional()
  @IsArray()
  @ArrayMaxSize(32)
  @ArrayUnique()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9_.:/=-]{0,62}$/, { each: true })
  tags?: string[];

  @IsOptional()
  @IsIn(CLASSIFICATIONS)
  classification?: (typeof CLASSIFICATIONS)[number];

  /** Default `auto`. */
  @IsOptional()
  @IsIn(ENGINES)
  engine?: Engine;

  @IsOptional()
  @IsIn(CONFIDENCES)
  confidence?: (typeof CONFIDENCES)[number];
}

/** `POST /api/v1/jobs/batch`: all or nothing. */
export class SubmitBatch {
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1000)
  @ValidateNested({ each: true })
  @Type(() => SubmitJob)
  jobs: SubmitJob[];
}
