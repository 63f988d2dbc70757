import type { JobParameters } from './job-parameters.js';
import { ENCODERS, encoderFor } from './video-codecs.js';

/** What a node must have because of a job's parameters, beside what the job requires in words. */
export interface ImpliedRequirements {
  /** ffmpeg encoders, all of which the node must have proved. */
  encoders: string[];
  gpu: boolean;
}

const DEFAULT_CODEC = 'h264';

/**
 * Read from the effective parameters (see scenario.ts). A pair that no encoder serves (VP9 on NVENC)
 * requires the device only: a worker then takes the job and refuses it with the parameter's name, which
 * tells more than a job that waits for ever.
 */
export function impliedRequirements(parameters: JobParameters): ImpliedRequirements {
  const hardware = parameters.hwaccel ?? 'none';
  const encoder = encoderFor(parameters.codec ?? defaultCodec(parameters), hardware);
  const device = hardware !== 'none' && hardware !== 'auto';
  return {
    encoders: encoder === undefined || anyAv1(parameters) ? [] : [encoder],
    gpu: device || (encoder !== undefined && ENCODERS[encoder]?.hardware === true),
  };
}

/** The codec of a job that names none: WebM holds no H.264. */
export function defaultCodec(parameters: JobParameters): string {
  return parameters.output?.toLowerCase().endsWith('.webm') ? 'vp9' : DEFAULT_CODEC;
}

/** `av1` alone is made by either of two software encoders, whichever the worker has. */
function anyAv1(parameters: JobParameters): boolean {
  return parameters.codec === 'av1' && (parameters.hwaccel ?? 'none') === 'none';
}
