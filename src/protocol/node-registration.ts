import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { IsLabels } from './labels.js';
import { PRINTABLE } from './printable.js';
import { ENGINES, QUEUE_NAME, type Engine } from './priority.js';

export class Gpu {
  @Matches(PRINTABLE) @MaxLength(128) name: string;
  @IsOptional() @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) memory_bytes?: number;
}

/** `POST /api/v1/nodes`. */
export class NodeRegistration {
  /** The machine's name, unique among live instances; a second live instance gets a node of its own. */
  @Matches(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/) name: string;
  @IsOptional() @Matches(PRINTABLE) @MaxLength(255) address?: string;
  /** Made by the worker process at its start; tells a restart from a second instance. */
  @IsUUID() instance_id: string;
  /** How many attempts it runs at once. */
  @IsInt() @Min(1) @Max(1024) slots: number;
  /** The queues it serves; absent or empty means all. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(64)
  @ArrayUnique()
  @Matches(QUEUE_NAME, { each: true })
  queues?: string[];
  @IsInt() @Min(1) @Max(4096) cpu_threads: number;
  @Matches(PRINTABLE) @MaxLength(255) cpu_model: string;
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) ram_total_bytes: number;
  @IsArray() @ArrayMaxSize(64) @ValidateNested({ each: true }) @Type(() => Gpu) gpus: Gpu[];
  /** ffmpeg encoders that were seen to work on this machine. */
  @IsArray() @ArrayMaxSize(512) @Matches(/^[a-z0-9_-]{1,40}$/, { each: true }) encoders: string[];
  @IsArray() @ArrayMaxSize(8) @IsIn(ENGINES, { each: true }) engines: Engine[];
  @Matches(PRINTABLE) @MaxLength(128) ffmpeg_version: string;
  @IsObject() @IsLabels() labels: Record<string, string>;
}

/** What registration answers besides the node itself. Seconds. */
export interface RegisteredNode {
  id: string;
  name: string;
  heartbeat_interval_seconds: number;
  lease_seconds: number;
  node_key?: string;
}
