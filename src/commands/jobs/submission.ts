/** What `jobs submit` sends, from its flags or from a file. The masters validate it; here only its form is read. */
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parseDuration } from '../../config/durations.js';
import type { JobParameters } from '../../protocol/job-parameters.js';
import type { Requirements } from '../../protocol/requirements.js';
import type { SubmitJob } from '../../protocol/submit-job.js';
import { Misuse } from '../failures.js';

export interface SubmissionFlags {
  readonly scenario?: string;
  readonly input?: string;
  readonly to?: string;
  readonly duration?: number;
  readonly codec?: string;
  readonly preset?: JobParameters['preset'];
  readonly bitrate?: string;
  readonly crf?: number;
  readonly resolution?: string;
  readonly fps?: number;
  readonly audioCodec?: JobParameters['audio_codec'];
  readonly audioBitrate?: string;
  readonly hwaccel?: JobParameters['hwaccel'];
  readonly threads?: number;
  readonly parameters?: string;
  readonly queue?: string;
  readonly priority?: SubmitJob['priority'];
  readonly runAt?: string;
  readonly maxRetries?: number;
  readonly timeout?: string;
  readonly tag?: string[];
  readonly require?: string[];
  readonly engine?: SubmitJob['engine'];
  readonly classification?: SubmitJob['classification'];
}

export function submissionFrom(flags: SubmissionFlags): SubmitJob {
  if (flags.scenario === undefined) {
    throw new Misuse('say what to make with --scenario, such as 720p-h264, or name a batch with --file');
  }
  const parameters = parametersFrom(flags);
  return withoutAbsent({
    scenario: flags.scenario,
    parameters: Object.keys(parameters).length > 0 ? parameters : undefined,
    queue: flags.queue,
    priority: flags.priority,
    requirements: flags.require === undefined ? undefined : requirementsFrom(flags.require),
    run_at: flags.runAt,
    max_retries: flags.maxRetries,
    timeout_seconds: flags.timeout === undefined ? undefined : secondsFrom(flags.timeout),
    tags: flags.tag,
    engine: flags.engine,
    classification: flags.classification,
  });
}

/** A file of `[{…}]`, or of `{"jobs": [{…}]}` as the API takes it. */
export async function readBatch(file: string): Promise<unknown[]> {
  const content = file === '-' ? await text(process.stdin) : readText(file, '--file');
  const read = parseJson(content, `--file ${file}`);
  const jobs = Array.isArray(read) ? (read as unknown[]) : (read as { jobs?: unknown } | null)?.jobs;
  if (!Array.isArray(jobs) || jobs.length === 0) {
    throw new Misuse(`--file ${file} must hold a list of jobs, such as [{"scenario": "720p-h264"}]`);
  }
  return jobs as unknown[];
}

/** `gpu`, `gpus=2`, `threads=8`, `encoder=libx265`; any other name is a label that the node must carry. */
export function requirementsFrom(written: readonly string[]): Requirements {
  const requirements: Requirements = {};
  for (const each of written) {
    const [, name = '', value] = /^([^=]+)(?:=(.*))?$/s.exec(each) ?? [];
    if (name === 'gpu' && (value === undefined || value === 'true')) requirements.gpu = true;
    else if ((name === 'gpus' || name === 'threads') && /^\d+$/.test(value ?? ''))
      requirements[name] = Number(value);
    else if (name === 'encoder' && value) requirements.encoders = [...(requirements.encoders ?? []), value];
    else if (value && !['gpu', 'gpus', 'threads', 'encoder'].includes(name)) {
      requirements.labels = { ...requirements.labels, [name]: value };
    } else {
      throw new Misuse(
        `--require ${each} cannot be read: write gpu, gpus=N, threads=N, encoder=NAME or LABEL=VALUE`,
      );
    }
  }
  return requirements;
}

function parametersFrom(flags: SubmissionFlags): JobParameters {
  return {
    ...(flags.parameters === undefined ? {} : readParameters(flags.parameters)),
    ...withoutAbsent({
      input: flags.input,
      output: flags.to,
      duration: flags.duration,
      codec: flags.codec,
      preset: flags.preset,
      bitrate: flags.bitrate,
      crf: flags.crf,
      resolution: flags.resolution,
      fps: flags.fps,
      audio_codec: flags.audioCodec,
      audio_bitrate: flags.audioBitrate,
      hwaccel: flags.hwaccel,
      threads: flags.threads,
    }),
  };
}

function readParameters(written: string): JobParameters {
  const content = written.startsWith('@') ? readText(written.slice(1), '--parameters') : written;
  const read = parseJson(content, '--parameters');
  if (typeof read !== 'object' || read === null || Array.isArray(read)) {
    throw new Misuse('--parameters must be a JSON object, such as \'{"codec": "hevc"}\', or @FILE with one');
  }
  return read;
}

function secondsFrom(written: string): number {
  if (/^\d+$/.test(written)) return Number(written);
  try {
    return Math.ceil(parseDuration(written) / 1000);
  } catch (error) {
    throw new Misuse(`--timeout ${written}: ${(error as Error).message}`);
  }
}

function readText(file: string, flag: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Misuse(`${flag}: the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parseJson(content: string, what: string): unknown {
  try {
    return JSON.parse(content) as unknown;
  } catch (error) {
    throw new Misuse(`${what} is not valid JSON (${(error as Error).message})`);
  }
}

function withoutAbsent<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
