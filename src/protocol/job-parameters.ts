/**
 * What a job may ask of ffmpeg: a closed list of typed fields, in the names of ffmpeg-rtmp's clients.
 * Free ffmpeg arguments do not exist. A field that is not listed here is refused at submission.
 */

import { Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { IsPlainText } from './plain-text.js';
import { ENGINES, type Engine } from './priority.js';
import { HARDWARE, VIDEO_CODECS, type Hardware } from './video-codecs.js';

/** x264's names, which x265 shares and the worker translates for VP9 and AV1; p1 to p7 are NVENC's. */
export const PRESETS = [
  'ultrafast',
  'superfast',
  'veryfast',
  'faster',
  'fast',
  'medium',
  'slow',
  'slower',
  'veryslow',
  'p1',
  'p2',
  'p3',
  'p4',
  'p5',
  'p6',
  'p7',
] as const;

export const AUDIO_CODECS = ['aac', 'opus', 'mp3', 'flac', 'copy', 'none'] as const;

const OUTPUT_MODES = ['file', 'rtmp', 'stream'] as const;

/** A week: longer media is cut into jobs. */
const MAX_DURATION_SECONDS = 604_800;
const BITRATE = /^[1-9]\d{0,8}(\.\d{1,3})?[kKmM]?$/;
const BITRATE_MESSAGE = '$property must be a bit rate such as 2000k, 10M or 800000';

export class ResourceLimits {
  /** Of one core; a worker that cannot hold ffmpeg to it refuses the job. */
  @IsOptional() @IsNumber() @Min(1) @Max(409_600) max_cpu_percent?: number;
  /** Private memory of ffmpeg, in MiB. */
  @IsOptional() @IsInt() @Min(16) @Max(16_777_216) max_memory_mb?: number;
  /** Size of the output, in MiB. */
  @IsOptional() @IsInt() @Min(1) @Max(16_777_216) max_disk_mb?: number;
  /** Wall clock of ffmpeg, in seconds. */
  @IsOptional() @IsInt() @Min(1) @Max(MAX_DURATION_SECONDS) timeout_sec?: number;
}

export class JobParameters {
  /** Seconds of media to make; without an input, the length of the generated clip. */
  @IsOptional() @IsNumber() @Min(0.04) @Max(MAX_DURATION_SECONDS) duration?: number;
  /** Another name of `duration`; where both stand, this one counts. */
  @IsOptional() @IsNumber() @Min(0.04) @Max(MAX_DURATION_SECONDS) duration_seconds?: number;

  /** A local file below one of the worker's input roots; absent: a generated test clip. */
  @IsOptional() @IsPlainText(4096) input?: string;
  /** A logical name below the worker's output directory; default `<job id>.mp4`. */
  @IsOptional() @IsPlainText(1024) output?: string;
  /** `rtmp` and `stream` mean the same: send to an RTMP server, keep no file. Default `file`. */
  @IsOptional() @IsIn(OUTPUT_MODES) output_mode?: (typeof OUTPUT_MODES)[number];
  /** Default `rtmp://<master host>:1935/live/<job id>`. */
  @IsOptional()
  @MaxLength(1024)
  @Matches(/^rtmp:\/\/[A-Za-z0-9.-]+(:\d{1,5})?(\/[A-Za-z0-9_.~-]+)+\/?$/, {
    message: '$property must be of the form rtmp://host[:port]/application[/stream]',
  })
  rtmp_url?: string;
  /** Appended to `rtmp_url`; a secret, kept out of logs. */
  @IsOptional()
  @Matches(/^[A-Za-z0-9_.~][A-Za-z0-9_.~-]{0,255}$/, {
    message: '$property must be letters, digits and _ . ~ -',
  })
  stream_key?: string;

  /** A format (h264, h265, hevc, vp8, vp9, av1) or one of the listed ffmpeg encoders. */
  @IsOptional() @IsIn(VIDEO_CODECS) codec?: string;
  @IsOptional() @IsIn(PRESETS) preset?: (typeof PRESETS)[number];
  @IsOptional() @Matches(BITRATE, { message: BITRATE_MESSAGE }) bitrate?: string;
  /** Constant quality instead of a bit rate; lower is better. */
  @IsOptional() @IsInt() @Min(0) @Max(63) crf?: number;
  @IsOptional() @IsIn(AUDIO_CODECS) audio_codec?: (typeof AUDIO_CODECS)[number];
  @IsOptional() @Matches(BITRATE, { message: BITRATE_MESSAGE }) audio_bitrate?: string;

  /** `WIDTHxHEIGHT`, each 16 to 16384. */
  @IsOptional()
  @Matches(/^\d{2,5}x\d{2,5}$/, { message: '$property must be of the form 1920x1080' })
  resolution?: string;
  @IsOptional() @IsInt() @Min(16) @Max(16_384) resolution_width?: number;
  @IsOptional() @IsInt() @Min(16) @Max(16_384) resolution_height?: number;
  @IsOptional() @IsNumber() @Min(1) @Max(300) fps?: number;
  /** Another name of `fps`; where both stand, `fps` counts. */
  @IsOptional() @IsNumber() @Min(1) @Max(300) frame_rate?: number;

  @IsOptional() @IsIn(HARDWARE) hwaccel?: Hardware;
  /** Threads of ffmpeg's encoder; default: the worker's share. */
  @IsOptional() @IsInt() @Min(1) @Max(1024) threads?: number;
  @IsOptional() @IsIn(ENGINES) engine?: Engine;

  @IsOptional() @ValidateNested() @Type(() => ResourceLimits) resource_limits?: ResourceLimits;
}
