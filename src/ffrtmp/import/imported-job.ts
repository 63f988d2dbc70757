/** A row of `jobs` of ffmpeg-rtmp as a job of ours. */
import type { Chunk } from '../log-chunks.js';
import { logChunks } from '../log-chunks.js';
import { MAX_LOG_LENGTH } from '../../jobs/job-logs.repository.js';
import type { LaneRequirement } from '../../jobs/lane-requirement.js';
import { FAILURE_REASONS } from '../../protocol/failure-reason.js';
import type { JobStatus } from '../../protocol/job-status.js';
import { CONFIDENCES, ENGINES, PRIORITIES, QUEUE_NAME, type Priority } from '../../protocol/priority.js';
import { wantedJob } from '../wire/job-request.js';
import { isOneOf } from '../wire/one-of.js';
import type { Finding } from './findings.js';
import type { Cell, SourceRow } from './import-source.js';
import { RowReader } from './row-reader.js';
import { idOf } from './source-id.js';

/** What the event `imported` tells beside the job: what has no place in ours, and what did not fit, as it stood there. */
export interface ImportedData {
  readonly sequence_number?: string;
  readonly id?: string;
  readonly tenant_id?: string;
  readonly status?: string;
  readonly last_activity_at?: string;
  readonly retry_reason?: string;
  readonly transitions?: object[];
  /** Cells that could not be taken, by column. */
  readonly unread?: Readonly<Record<string, string>>;
}

export interface ImportedJob {
  readonly id: string;
  /** Undefined where there is none that can be kept. */
  readonly sequence_number: string | undefined;
  readonly scenario: string;
  /** JSON. */
  readonly parameters: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly requirement: LaneRequirement;
  readonly engine: string;
  readonly confidence: string;
  readonly status: JobStatus;
  readonly paused: boolean;
  readonly max_retries: number;
  readonly timeout_seconds: number | null;
  readonly retry_count: number;
  readonly node_id: string | null;
  readonly created_at: string;
  readonly started_at: string | null;
  /** Of a job that ended. */
  readonly completed_at: string | null;
  readonly error: string | null;
  readonly failure_reason: string | null;
  readonly progress: number;
  readonly data: ImportedData;
  readonly logs: readonly Chunk[];
}

/** Later numbers must stay whole numbers of JavaScript. */
export const HIGHEST_NUMBER = 2n ** 52n;

const MOST_RETRIES = 100;

/** In which state a job arrives: one that ran is run again, for its agent may have gone. */
const ARRIVES: Readonly<Record<string, { status: JobStatus; paused?: true }>> = {
  pending: { status: 'queued' },
  queued: { status: 'queued' },
  assigned: { status: 'retrying' },
  processing: { status: 'retrying' },
  running: { status: 'retrying' },
  retrying: { status: 'retrying' },
  timed_out: { status: 'retrying' },
  paused: { status: 'retrying', paused: true },
  completed: { status: 'completed' },
  failed: { status: 'failed' },
  canceled: { status: 'canceled' },
  rejected: { status: 'rejected' },
};

const COLUMNS = new Set(
  `id sequence_number tenant_id scenario confidence engine parameters status queue priority progress node_id created_at
   started_at last_activity_at completed_at retry_count max_retries retry_reason error failure_reason logs
   state_transitions`.split(/\s+/),
);

export interface ReadingJobs {
  /** Of times that name none. */
  readonly zone: string;
  readonly maxRetries: number;
  /** How often a row with this id, in small letters, was read before; 0 the first time. */
  readonly timesSeen: (id: string) => number;
  readonly tell: (finding: Finding) => void;
}

export function readJob(row: SourceRow, { zone, maxRetries, timesSeen, tell }: ReadingJobs): ImportedJob {
  const name = rowName(row);
  const read = new RowReader(row, 'job', name, zone, tell);
  const unread: Record<string, string> = {};
  const drop = (column: string, problem: string): void => {
    const raw = read.raw(column);
    if (raw === undefined) return;
    unread[column] = raw;
    if (problem !== '') read.problem(column, problem, raw);
  };

  const sourceId = read.text('id');
  const seen = timesSeen(sourceId.toLowerCase());
  const id = idOf('job', seen === 0 ? sourceId : `${sourceId.toLowerCase()}#${seen + 1}`);
  if (seen > 0) read.problem('id', `is another job's too; it arrives as ${id}`, sourceId);
  else if (id !== sourceId.toLowerCase()) read.problem('id', `is no UUID; it arrives as ${id}`, sourceId);

  const parameters = read.json('parameters', 'object');
  if (parameters === undefined) drop('parameters', '');
  const transitions = read.json('state_transitions', 'array');
  if (transitions === undefined) drop('state_transitions', '');
  else if (!transitions.isExact)
    drop(
      'state_transitions',
      'holds numbers beyond 2^53, which are rounded; the event "imported" has the text',
    );
  const choose = (column: string, fits: (text: string) => boolean, instead: string): string => {
    const text = read.text(column);
    if (text === '' || fits(text)) return text === '' ? instead : text;
    drop(column, `means nothing here; it arrives as ${instead}`);
    return instead;
  };
  const queue = choose('queue', (text) => QUEUE_NAME.test(text), 'default');
  const priority = choose('priority', (text) => isOneOf(PRIORITIES, text), 'medium') as Priority;
  const engine = choose('engine', (text) => isOneOf(ENGINES, text), 'auto');
  const confidence = choose('confidence', (text) => isOneOf(CONFIDENCES, text), 'auto');
  const failure_reason = choose('failure_reason', (text) => isOneOf(FAILURE_REASONS, text), '') || null;

  const word = read.text('status');
  const arrival = word === '' ? ARRIVES['pending'] : Object.hasOwn(ARRIVES, word) ? ARRIVES[word] : undefined;
  if (arrival === undefined) drop('status', 'is a state that nobody knows; it arrives as rejected');
  const { status, paused = false } = arrival ?? { status: 'rejected' as const };
  const hasEnded = ['completed', 'failed', 'canceled', 'rejected'].includes(status);

  const [created_at, started_at, lastActivity, completed_at] = [
    read.time('created_at'),
    read.time('started_at'),
    read.time('last_activity_at'),
    read.time('completed_at'),
  ];
  const made = created_at ?? started_at ?? lastActivity ?? completed_at ?? EPOCH;
  if (created_at === null) drop('created_at', `cannot be kept; the job arrives as made at ${made}`);
  const ended = completed_at ?? lastActivity ?? started_at ?? made;

  const number = numberOf(row['sequence_number']);
  if (number === undefined && row['sequence_number'] != null)
    drop('sequence_number', 'is no number from 1 to 2^52; it gets a new one');
  const wanted = wantedJob({
    scenario: read.text('scenario'),
    parameters: (parameters?.value ?? {}) as Record<string, unknown>,
    queue,
    priority,
    engine,
    confidence,
  });
  const error = read.text('error') || (arrival === undefined ? 'It was in a state that nobody knows.' : null);
  const log = read.text('logs');
  if (log.length > MAX_LOG_LENGTH)
    read.problem('logs', `has ${log.length} characters; its middle was left out, ${MAX_LOG_LENGTH} stay`);
  for (const column of Object.keys(row))
    if (!COLUMNS.has(column))
      drop(column, 'is a column of no version that is known; the event "imported" of the job holds it');

  const nodeId = read.text('node_id');
  const tenant_id = read.text('tenant_id');
  const retryReason = read.text('retry_reason');
  return {
    id,
    sequence_number: number,
    scenario: wanted.job.scenario,
    parameters: parameters?.text ?? '{}',
    queue,
    priority,
    requirement: wanted.requirement,
    engine,
    confidence,
    status,
    paused,
    max_retries: read.integer('max_retries', 0, MOST_RETRIES, maxRetries),
    timeout_seconds: wanted.job.timeout_seconds ?? null,
    retry_count: read.integer('retry_count', 0, 1_000_000, 0),
    node_id: nodeId === '' ? null : idOf('node', nodeId),
    created_at: made,
    started_at,
    completed_at: hasEnded ? ended : null,
    error,
    failure_reason,
    progress: read.integer('progress', 0, 100, 0),
    data: {
      ...(number !== undefined && { sequence_number: number }),
      ...(id !== sourceId && { id: sourceId }),
      ...(tenant_id !== '' && { tenant_id }),
      ...(word !== status && { status: word }),
      ...(lastActivity !== null && { last_activity_at: lastActivity }),
      ...(retryReason !== '' && { retry_reason: retryReason }),
      ...(transitions !== undefined && { transitions: transitions.value as object[] }),
      ...(Object.keys(unread).length > 0 && { unread }),
    },
    logs: [...logChunks(log)],
  };
}

const EPOCH = '1970-01-01T00:00:00.000000Z';

/** As the report names it: by its number where it has no id. */
function rowName(row: SourceRow): string {
  const { id, sequence_number } = row;
  if (typeof id === 'string' && id !== '') return id.slice(0, 100);
  return sequence_number == null ? 'a row without an id' : `number ${String(sequence_number).slice(0, 30)}`;
}

function numberOf(cell: Cell | undefined): string | undefined {
  const text = cell instanceof Uint8Array ? '' : String(cell ?? '');
  if (!/^[1-9]\d{0,18}$/.test(text)) return undefined;
  return BigInt(text) <= HIGHEST_NUMBER ? text : undefined;
}
