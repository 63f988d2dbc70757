import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsInt,
  IsNumber,
  IsOptional,
  IsUUID,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';

const MAX_TOKEN = Number.MAX_SAFE_INTEGER;

export class AttemptHeartbeat {
  @IsUUID() job_id: string;
  @IsInt() @Min(1) @Max(MAX_TOKEN) lease_token: number;
  /** True from the moment the attempt began its first step, fetching included. */
  @IsOptional() @IsBoolean() started?: boolean;
  /** 0 to 100. */
  @IsOptional() @IsNumber() @Min(0) @Max(100) progress?: number;
  @IsOptional() @IsNumber() @Min(0) @Max(1_000_000) fps?: number;
  /** Media seconds per second. */
  @IsOptional() @IsNumber() @Min(0) @Max(1_000_000) speed?: number;
  /** Length of the media as probed by the worker. */
  @IsOptional() @IsNumber() @Min(0) @Max(31_536_000) duration_seconds?: number;
}

/** `POST /api/v1/nodes/{id}/heartbeat`. */
export class HeartbeatRequest {
  @IsArray()
  @ArrayMaxSize(1024)
  @ValidateNested({ each: true })
  @Type(() => AttemptHeartbeat)
  attempts: AttemptHeartbeat[];
  @IsOptional() @IsNumber() @Min(0) @Max(100) cpu_load_percent?: number;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_TOKEN) ram_free_bytes?: number;
}

export interface AttemptAnswer {
  job_id: string;
  /** `lost`: the lease is another's or nobody's; stop at once. */
  lease: 'extended' | 'lost';
  lease_seconds: number;
  cancel: boolean;
  pause: boolean;
}

export interface HeartbeatAnswer {
  attempts: AttemptAnswer[];
  /** The node shall take no further jobs. */
  drain: boolean;
}
