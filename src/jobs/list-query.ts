import { Transform, Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIn, IsInt, IsOptional, IsUUID, Matches, Max, Min } from 'class-validator';
import { IsTimestamp } from '../protocol/is-timestamp.js';
import { invalid } from '../protocol/problem.js';
import { JOB_STATUSES, type JobStatus } from '../protocol/job-status.js';
import { QUEUE_NAME } from '../protocol/priority.js';

/** The filters of `GET /jobs` and of the event stream. */
export class JobFilter {
  /** One status, or several separated by commas. */
  @IsOptional()
  @Transform(({ value }: { value: unknown }): unknown =>
    typeof value === 'string' ? value.split(',') : value,
  )
  @IsArray()
  @ArrayMaxSize(JOB_STATUSES.length)
  @IsIn(JOB_STATUSES, { each: true })
  status?: JobStatus[];
  @IsOptional() @Matches(QUEUE_NAME) queue?: string;
  /** A node's id. */
  @IsOptional() @IsUUID() node?: string;
  @IsOptional() @Matches(/^[A-Za-z0-9][A-Za-z0-9_.:/=-]{0,62}$/) tag?: string;
  /** RFC 3339 with an offset; jobs created at this time or later. */
  @IsOptional() @IsTimestamp() created_after?: string;
  /** RFC 3339 with an offset; jobs created before this time. */
  @IsOptional() @IsTimestamp() created_before?: string;
}

export class ListJobsQuery extends JobFilter {
  /** Jobs a page, 1 to 500; default 50. A filter that seldom fits may give fewer, or none, and a cursor to go on. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(500) limit?: number;
  /** `next_cursor` of the page before. */
  @IsOptional() @Matches(/^[A-Za-z0-9_-]{1,64}$/) cursor?: string;
}

/** A cursor of the list: the page holds jobs with numbers below it. */
export function encodeCursor(before: number): string {
  return Buffer.from(`b${before}`).toString('base64url');
}

export function decodeCursor(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString();
  const before = /^b[0-9]{1,16}$/.test(text) ? Number(text.slice(1)) : NaN;
  if (!Number.isSafeInteger(before)) {
    throw invalid('The cursor is not one of ours. Pass next_cursor of the page before, unchanged.', [
      { path: 'cursor', message: 'cursor must be the next_cursor of a page' },
    ]);
  }
  return before;
}
