/** `POST /results`: how an attempt ended, without its lease token. */
import type { AttemptReport } from '../../protocol/report.js';
import { storableText } from '../../protocol/storable.js';
import { invalidBody } from './old-wire-error.js';
import { readBody } from './lax-json.js';
import { isOneOf } from './one-of.js';

const SHAPE = {
  job_id: 'string',
  node_id: 'string',
  status: 'string',
  metrics: 'object',
  analyzer_output: 'object',
  error: 'string',
  logs: 'string',
  qoe_score: 'number',
  efficiency_score: 'number',
  energy_joules: 'number',
  vmaf_score: 'number',
} as const;

const STATUSES = ['completed', 'failed', 'canceled'] as const;

/** Characters of an error that are kept, of its end: ffmpeg says last what was wrong. */
const MAX_ERROR = 8192;

export interface SentResult {
  readonly job_id: string;
  readonly node_id: string;
  /** Its report, but for the token. */
  readonly report: Omit<AttemptReport, 'job_id' | 'lease_token'>;
  readonly logs: string;
}

/**
 * Throws 400 where it is no JSON, or says another status than the three that an agent knows: over there any word was
 * stored.
 */
export function readJobResult(body: string | undefined): SentResult {
  const { job_id = '', node_id = '', status, error, logs = '', metrics, ...scores } = readBody(body, SHAPE);
  if (!isOneOf(STATUSES, status)) throw invalidBody();
  return {
    job_id,
    node_id,
    logs: storableText(logs),
    report: {
      status,
      result: { metrics: { ...metrics, ...scores } },
      ...(error !== undefined && error !== '' && { error: storableText(error.slice(-MAX_ERROR)) }),
      ...(status === 'failed' && { failure_reason: 'runtime_error' as const }),
    },
  };
}
