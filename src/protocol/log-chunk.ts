import { IsInt, IsString, Max, MaxLength, Min } from 'class-validator';

/** `POST /api/v1/jobs/{id}/logs`: text of one attempt from `offset` (in UTF-16 units) on. */
export class LogChunk {
  @IsInt() @Min(1) @Max(Number.MAX_SAFE_INTEGER) lease_token: number;
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) offset: number;
  @IsString() @MaxLength(65_536) text: string;
}

export interface LogAnswer {
  /** The offset the next chunk shall start at. */
  next_offset: number;
}
