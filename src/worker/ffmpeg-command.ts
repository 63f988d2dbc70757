/**
 * The argument list for ffmpeg, from checked parameters. Pure: no file is touched and nothing is passed
 * through. Every option's name stands here, every value is a number, a word of a closed list or a path
 * made by the worker; filters are built from numbers alone.
 */

import type { JobParameters } from '../protocol/job-parameters.js';
import { cannotHonour } from './attempt-failure.js';
import { encoderOptions } from './encoder-options.js';
import type { Container } from './output-name.js';

export interface CommandPlan {
  parameters: JobParameters;
  encoder: string;
  /** Null: a generated clip. */
  input: { path: string; demuxer: string } | null;
  output: { kind: 'file'; path: string; container: Container } | { kind: 'rtmp'; url: string; tcUrl: string };
  /** Used where the job names no number of threads. */
  defaultThreads: number;
  /** The file descriptor that ffmpeg writes its progress to. */
  progressFd: number;
}

/** Length of a generated clip whose job names none, in seconds. */
export const GENERATED_SECONDS = 10;

/**
 * Formats that hold their media themselves. Left out: hls, dash, concat, sdp, image2 and all others that
 * name further files or hosts; ffmpeg applies the list to formats opened inside formats too.
 */
export const SELF_CONTAINED_FORMATS =
  'mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,nut,ivf,dv,wav,w64,aiff,mp3,aac,ac3,eac3,flac,gif,h264,hevc,m4v,yuv4mpegpipe,rm,webm';

const ENCODER_NAMES = { aac: 'aac', opus: 'libopus', mp3: 'libmp3lame', flac: 'flac' } as const;

export function ffmpegCommand(plan: CommandPlan): string[] {
  const { parameters, encoder, output } = plan;
  return [
    ...[
      '-nostdin',
      '-hide_banner',
      '-loglevel',
      'info',
      '-y',
      '-nostats',
      '-progress',
      `pipe:${plan.progressFd}`,
    ],
    ...(encoder.endsWith('_vaapi') ? ['-vaapi_device', '/dev/dri/renderD128'] : []),
    ...inputArguments(plan),
    ...lengthArguments(parameters),
    ...videoArguments(plan),
    ...audioArguments(plan),
    ...['-sn', '-dn', '-max_muxing_queue_size', '4096'],
    ...(output.kind === 'file' ? fileArguments(output, parameters) : rtmpArguments(output)),
  ];
}

/** Seconds of media that the job asks for; undefined: all of its input. */
export function askedSeconds(parameters: JobParameters): number | undefined {
  return parameters.duration ?? parameters.duration_seconds;
}

function inputArguments({ input, output, parameters }: CommandPlan): string[] {
  // A live stream is sent as fast as it is watched.
  const pace = output.kind === 'rtmp' ? ['-re'] : [];
  if (input) {
    return [
      ...pace,
      ...(parameters.hwaccel === 'cuda' ? ['-hwaccel', 'cuda'] : []),
      ...['-protocol_whitelist', 'file,pipe', '-format_whitelist', SELF_CONTAINED_FORMATS],
      ...['-f', input.demuxer, '-i', `file:${input.path}`],
      ...['-map', '0:V:0', '-map', '0:a:0?'],
    ];
  }
  const { width, height } = askedSize(parameters) ?? { width: 1280, height: 720 };
  const seconds = askedSeconds(parameters) ?? GENERATED_SECONDS;
  return [
    ...[
      ...pace,
      '-f',
      'lavfi',
      '-i',
      `testsrc2=size=${width}x${height}:rate=${askedRate(parameters) ?? 30}:duration=${seconds}`,
    ],
    ...[...pace, '-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`],
    ...['-map', '0:v:0', '-map', '1:a:0'],
  ];
}

function lengthArguments(parameters: JobParameters): string[] {
  const seconds = askedSeconds(parameters);
  return seconds === undefined ? [] : ['-t', String(seconds)];
}

function videoArguments({ parameters, encoder, output, defaultThreads }: CommandPlan): string[] {
  const rate = askedRate(parameters);
  const upload = encoder.endsWith('_vaapi') ? ',format=nv12,hwupload' : '';
  return [
    ...['-vf', `${sizeFilter(askedSize(parameters))}${upload}`],
    ...(rate === undefined ? [] : ['-r', String(rate)]),
    ...['-c:v', encoder],
    ...(upload === '' ? ['-pix_fmt', 'yuv420p'] : []),
    ...encoderOptions(encoder, parameters),
    ...['-threads', String(parameters.threads ?? defaultThreads)],
    // Viewers of a live stream join at a key frame: one every two seconds.
    ...(output.kind === 'rtmp' ? ['-g', String(Math.round(2 * (rate ?? 30)))] : []),
  ];
}

/**
 * A job that names a size gets exactly that, bars filling what the shape of its picture leaves; 4:2:0
 * needs even sides, so an odd input loses a line.
 */
function sizeFilter(size: { width: number; height: number } | undefined): string {
  if (!size) return 'scale=trunc(iw/2)*2:trunc(ih/2)*2';
  const { width, height } = size;
  return `scale=${width}:${height}:force_original_aspect_ratio=decrease,pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2,setsar=1`;
}

function audioArguments({ parameters, output }: CommandPlan): string[] {
  const fallback = output.kind === 'file' && output.container.muxer === 'webm' ? 'opus' : 'aac';
  const codec = parameters.audio_codec ?? fallback;
  if (output.kind === 'file' && !output.container.audio.includes(codec)) {
    throw cannotHonour('audio_codec', `${codec} cannot go into a ${output.container.muxer} file`);
  }
  if (codec === 'none') return ['-an'];
  if (codec === 'copy') return ['-c:a', 'copy'];
  return [
    ...['-c:a', ENCODER_NAMES[codec]],
    ...(parameters.audio_bitrate === undefined ? [] : ['-b:a', parameters.audio_bitrate]),
    ...(output.kind === 'rtmp' ? ['-ar', '44100'] : []),
  ];
}

function fileArguments(output: { path: string; container: Container }, parameters: JobParameters): string[] {
  const { muxer } = output.container;
  const limit = parameters.resource_limits?.max_disk_mb;
  return [
    ...(muxer === 'mp4' || muxer === 'mov' ? ['-movflags', '+faststart'] : []),
    ...(limit === undefined ? [] : ['-fs', String(limit * 1024 * 1024)]),
    ...['-strict', 'experimental', '-f', muxer, `file:${output.path}`],
  ];
}

function rtmpArguments(output: { url: string; tcUrl: string }): string[] {
  return ['-protocol_whitelist', 'rtmp,tcp', '-rtmp_tcurl', output.tcUrl, '-f', 'flv', output.url];
}

export function askedRate(parameters: JobParameters): number | undefined {
  return parameters.fps ?? parameters.frame_rate;
}

/** @throws AttemptFailure (user_error) for odd, missing or absurd sides. */
export function askedSize(parameters: JobParameters): { width: number; height: number } | undefined {
  const [width, height] = parameters.resolution
    ? parameters.resolution.split('x').map(Number)
    : [parameters.resolution_width, parameters.resolution_height];
  if (width === undefined && height === undefined) return undefined;
  const field = parameters.resolution
    ? 'resolution'
    : width === undefined
      ? 'resolution_width'
      : 'resolution_height';
  if (width === undefined || height === undefined)
    throw cannotHonour(field, 'width and height must be given together');
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 16 || side > 16_384 || side % 2 !== 0) {
      throw cannotHonour(field, `each side must be an even number of 16 to 16384 pixels, not ${side}`);
    }
  }
  return { width, height };
}
