/** `POST /jobs`: next to nothing of it is checked there, so that what it cannot mean is taken for the default. */
import { laneRequirement, type LaneRequirement } from '../../jobs/lane-requirement.js';
import type { JobParameters } from '../../protocol/job-parameters.js';
import {
  CLASSIFICATIONS,
  CONFIDENCES,
  ENGINES,
  PRIORITIES,
  QUEUE_NAME,
  type Engine,
} from '../../protocol/priority.js';
import { HARDWARE } from '../../protocol/video-codecs.js';
import { effectiveParameters } from '../../protocol/scenario.js';
import { storable, storableText } from '../../protocol/storable.js';
import type { SubmitJob } from '../../protocol/submit-job.js';
import { needsGpu } from './gpu-need.js';
import { readBody, type Kinds } from './lax-json.js';
import { OldWireError } from './old-wire-error.js';
import { isOneOf } from './one-of.js';

const SHAPE = {
  scenario: 'string',
  confidence: 'string',
  engine: 'string',
  classification: 'string',
  parameters: 'object',
  queue: 'string',
  priority: 'string',
} as const;

/** What an agent may need before its limit begins: it makes the input by itself where there is none. */
export const INPUT_SECONDS = 300;

/** The agent's own limits, of which it keeps `timeout_sec`. */
const MAX_TIMEOUT = 604_800;

export interface WantedJob {
  readonly job: SubmitJob;
  readonly requirement: LaneRequirement;
}

/** What a client sent, or what a database of ffmpeg-rtmp kept of it. */
export type SentJob = { readonly [Name in keyof typeof SHAPE]?: Kinds[(typeof SHAPE)[Name]] };

/** Throws 400 where it is no JSON or names an engine that nobody has. */
export function readJobRequest(body: string | undefined): WantedJob {
  return wantedJob(readBody(body, SHAPE));
}

/** Throws 400 where it names an engine that nobody has. */
export function wantedJob(sent: SentJob): WantedJob {
  const engine = sent.engine === undefined || sent.engine === '' ? 'auto' : sent.engine;
  if (!isOneOf(ENGINES, engine))
    throw new OldWireError(400, `Invalid engine '${engine}'. Valid values: auto, ffmpeg, gstreamer`);
  const scenario = storableText(sent.scenario ?? '');
  const parameters = storable(sent.parameters ?? {}) as JobParameters;
  const job: SubmitJob = {
    scenario,
    parameters,
    queue: QUEUE_NAME.test(sent.queue ?? '') ? sent.queue : 'default',
    priority: isOneOf(PRIORITIES, sent.priority) ? sent.priority : 'medium',
    engine,
    confidence: isOneOf(CONFIDENCES, sent.confidence) ? sent.confidence : 'auto',
    ...(isOneOf(CLASSIFICATIONS, sent.classification) && { classification: sent.classification }),
    ...timeoutOf(sent.parameters),
  };
  return { job, requirement: requirementOf(scenario, parameters, engine) };
}

/** What the agent ends by itself is ended here if it does not. */
function timeoutOf({ resource_limits }: Readonly<Record<string, unknown>> = {}): Pick<
  SubmitJob,
  'timeout_seconds'
> {
  const { timeout_sec } = (resource_limits ?? {}) as { timeout_sec?: unknown };
  if (!Number.isInteger(timeout_sec) || (timeout_sec as number) < 1) return {};
  return { timeout_seconds: Math.min((timeout_sec as number) + INPUT_SECONDS, MAX_TIMEOUT) };
}

/** Of the parameters those that ask for something of a node, where they are what they should be. */
function requirementOf(scenario: string, parameters: JobParameters, engine: Engine): LaneRequirement {
  const { codec, hwaccel, threads, output } = parameters as Record<string, unknown>;
  const known = {
    ...(typeof codec === 'string' && { codec }),
    ...(typeof output === 'string' && { output }),
    ...(Number.isInteger(threads) && { threads: Math.min(Math.max(threads as number, 1), 1024) }),
    ...(isOneOf(HARDWARE, hwaccel) && { hwaccel }),
  } as JobParameters;
  const requirements = needsGpu(parameters as Record<string, unknown>) ? { gpus: 1 } : {};
  return laneRequirement(requirements, effectiveParameters(scenario, known), engine);
}
