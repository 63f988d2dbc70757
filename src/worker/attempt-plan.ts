/** From a claimed job to what shall be run: every check that needs no ffmpeg running. */

import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { ClaimedJobBody } from '../protocol/claim.js';
import { JobParameters } from '../protocol/job-parameters.js';
import { effectiveParameters } from '../protocol/scenario.js';
import type { CodecFamily } from '../protocol/video-codecs.js';
import { cannotHonour } from './attempt-failure.js';
import { chooseEncoder } from './encoder-choice.js';
import { expectedLength, generatedLength, type ExpectedLength } from './expected-length.js';
import { GENERATED_SECONDS, askedSeconds, ffmpegCommand } from './ffmpeg-command.js';
import { PROGRESS_FD } from './ffmpeg-process.js';
import { openInput } from './input-file.js';
import type { Machine } from './machine.js';
import { FLV, parseOutputName, type OutputName } from './output-name.js';
import { rtmpTarget } from './rtmp-target.js';

export interface AttemptPlan {
  args: string[];
  limits: { timeoutMs?: number; maxMemoryMb?: number; maxOutputBytes?: number };
  /** Seconds of media that the result should have; undefined where the input does not tell. */
  length?: ExpectedLength;
  family: CodecFamily;
  target:
    { kind: 'file'; file: string; output: OutputName } | { kind: 'rtmp'; shown: string; secret?: string };
}

export interface PlanSurroundings {
  machine: Machine;
  slots: number;
  inputRoots: readonly string[];
  rtmpHosts: readonly string[];
  /** Where RTMP goes if the job does not say; only if listed. */
  defaultRtmpHost: string;
  /** The full path of a file of the attempt. */
  fileInAttempt(name: string): string;
  signal: AbortSignal;
}

/** @throws AttemptFailure naming what is wrong. */
export async function planAttempt(job: ClaimedJobBody, around: PlanSurroundings): Promise<AttemptPlan> {
  const parameters = checkedParameters(job);
  refuseUnsupported(job, parameters, around.machine);
  const live = parameters.output_mode === 'rtmp' || parameters.output_mode === 'stream';
  const output = live ? null : parseOutputName(parameters.output ?? `${job.id}.mp4`);
  const target = live
    ? await rtmpTarget(parameters, {
        jobId: job.id,
        rtmpHosts: around.rtmpHosts,
        defaultHost: around.defaultRtmpHost,
      })
    : null;
  const encoder = chooseEncoder(parameters, around.machine.capabilities.encoders, output?.container ?? FLV);
  const input =
    parameters.input === undefined
      ? null
      : await openInput(parameters.input, {
          inputRoots: around.inputRoots,
          ffprobe: around.machine.binaries.ffprobe,
          signal: around.signal,
        });
  const file = `output.${output?.name.split('.').at(-1)?.toLowerCase()}`;
  const asked = askedSeconds(parameters);
  const length = input ? expectedLength(input.media, asked) : generatedLength(asked ?? GENERATED_SECONDS);
  return {
    args: ffmpegCommand({
      parameters,
      encoder: encoder.encoder,
      input: input && { path: input.path, demuxer: input.media.format },
      output: output
        ? { kind: 'file', path: around.fileInAttempt(file), container: output.container }
        : { kind: 'rtmp', url: target?.url ?? '', tcUrl: target?.tcUrl ?? '' },
      defaultThreads: Math.max(1, Math.floor(around.machine.capabilities.cpu_threads / around.slots)),
      progressFd: PROGRESS_FD,
    }),
    limits: limitsOf(parameters),
    ...(length && { length }),
    family: encoder.family,
    target: output
      ? { kind: 'file', file, output }
      : { kind: 'rtmp', shown: target?.shown ?? '', ...(target?.secret && { secret: target.secret }) },
  };
}

/** Checked again although the master did: jobs may be older than its rules, or come from another program. */
function checkedParameters(job: ClaimedJobBody): JobParameters {
  const plain = effectiveParameters(job.scenario, job.parameters ?? {});
  const errors = validateSync(plainToInstance(JobParameters, plain), {
    whitelist: true,
    forbidNonWhitelisted: true,
  });
  const [first] = errors;
  if (first) {
    const words =
      Object.values(first.constraints ?? first.children?.[0]?.constraints ?? {})[0] ?? 'is not understood';
    throw cannotHonour(first.property, words);
  }
  return plain;
}

function refuseUnsupported(job: ClaimedJobBody, parameters: JobParameters, machine: Machine): void {
  if (parameters.engine === 'gstreamer' || (job.engine === 'gstreamer' && parameters.engine === undefined)) {
    throw cannotHonour('engine', 'this worker runs ffmpeg only');
  }
  const { max_cpu_percent: cpu, max_memory_mb: memory } = parameters.resource_limits ?? {};
  if (cpu !== undefined && cpu < machine.capabilities.cpu_threads * 100) {
    throw cannotHonour(
      'resource_limits.max_cpu_percent',
      `this worker cannot hold ffmpeg below all of its ${machine.capabilities.cpu_threads} cores; use threads`,
    );
  }
  if (memory !== undefined && !machine.tools.prlimit) {
    throw cannotHonour(
      'resource_limits.max_memory_mb',
      'this worker has no prlimit (util-linux) to enforce it with',
    );
  }
}

function limitsOf({ resource_limits: limits }: JobParameters): AttemptPlan['limits'] {
  return {
    ...(limits?.timeout_sec !== undefined && { timeoutMs: limits.timeout_sec * 1000 }),
    ...(limits?.max_memory_mb !== undefined && { maxMemoryMb: limits.max_memory_mb }),
    ...(limits?.max_disk_mb !== undefined && { maxOutputBytes: limits.max_disk_mb * 1024 * 1024 }),
  };
}
