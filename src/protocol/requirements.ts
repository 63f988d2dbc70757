import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsInt,
  IsObject,
  IsOptional,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { IsLabels } from './labels.js';

/** What a node must have to run a job. Everything is optional; absent means any node will do. */
export class Requirements {
  /** A GPU of any kind. */
  @IsOptional() @IsBoolean() gpu?: boolean;
  /** How many GPUs the node must have. */
  @IsOptional() @IsInt() @Min(1) @Max(64) gpus?: number;
  /** ffmpeg encoder names, e.g. `libx264`, `h264_nvenc`; the node must have each of them. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(16)
  @ArrayUnique()
  @Matches(/^[a-z0-9_-]{1,40}$/, { each: true })
  encoders?: string[];
  /** Labels the node must carry with exactly these values. */
  @IsOptional() @IsObject() @IsLabels() labels?: Record<string, string>;
  /** CPU threads the node must have at least. */
  @IsOptional() @IsInt() @Min(1) @Max(1024) threads?: number;
}
