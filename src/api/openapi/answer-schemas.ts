/**
 * Schemas of what is answered. Interfaces leave nothing behind at run time, so these are written by hand;
 * the specs of the routes compare them with real answers.
 */
import { PERMISSIONS, ROLES } from '../../access/permissions.js';
import { JOB_STATUSES } from '../../protocol/job-status.js';
import { FAILURE_REASONS } from '../../protocol/failure-reason.js';
import { NODE_STATUSES } from '../../nodes/node-view.js';
import type { Schema } from './request-schemas.js';

const text = { type: 'string' };
const texts = { type: 'array', items: text };
const integer = { type: 'integer' };
const number = { type: 'number' };
const flag = { type: 'boolean' };
const time = { type: 'string', format: 'date-time' };
const id = { type: 'string', format: 'uuid' };
const open = { type: 'object', additionalProperties: true };
const oneOf = (values: readonly string[]) => ({ type: 'string', enum: [...values] });
const orNull = (schema: Schema) => ({ anyOf: [schema, { type: 'null' }] });
const list = (items: Schema) => ({ type: 'array', items });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** An object that has all of these. */
function object(properties: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema {
  return { type: 'object', properties: { ...properties, ...optional }, required: Object.keys(properties) };
}

const page = (name: string) => object({ items: list(ref(name)), next_cursor: orNull(text) });

const API_KEY = {
  id,
  prefix: text,
  name: text,
  role: oneOf(ROLES),
  permissions: list(oneOf(PERMISSIONS)),
  node_id: orNull(id),
  created_by: text,
  created_at: time,
  expires_at: orNull(time),
  revoked_at: orNull(time),
  last_used_at: orNull(time),
};

export const ANSWER_SCHEMAS: Record<string, Schema> = {
  Problem: {
    ...object(
      { type: text, title: text, status: integer, detail: text },
      { errors: list(object({ path: text, message: text })), request_id: text },
    ),
    description: 'A problem document (RFC 9457).',
  },
  Job: object({
    id,
    sequence_number: integer,
    scenario: text,
    parameters: open,
    queue: text,
    priority: oneOf(['high', 'medium', 'low']),
    requirements: open,
    engine: text,
    classification: orNull(text),
    confidence: orNull(text),
    tags: texts,
    status: oneOf(JOB_STATUSES),
    paused: flag,
    waiting_for: orNull(oneOf(['run_at', 'paused', 'requirement', 'limit'])),
    progress: { ...number, minimum: 0, maximum: 100 },
    node_id: orNull(id),
    node_name: orNull(text),
    attempt: integer,
    max_retries: integer,
    retry_count: integer,
    timeout_seconds: orNull(integer),
    run_at: orNull(time),
    created_at: time,
    assigned_at: orNull(time),
    started_at: orNull(time),
    completed_at: orNull(time),
    error: orNull(text),
    failure_reason: orNull(oneOf(FAILURE_REASONS)),
    result: orNull(open),
  }),
  Jobs: object({ jobs: list(ref('Job')) }),
  JobPage: page('Job'),
  JobEvent: object({
    job_id: id,
    n: { ...integer, minimum: 1 },
    type: text,
    from_status: orNull(oneOf(JOB_STATUSES)),
    to_status: oneOf(JOB_STATUSES),
    at: time,
    attempt: integer,
    node_id: orNull(id),
    lease_token: orNull(integer),
    data: open,
  }),
  JobEventPage: page('JobEvent'),
  ApiKey: object(API_KEY),
  MintedApiKey: object({ ...API_KEY, key: { ...text, description: 'Shown by this answer alone.' } }),
  ApiKeyPage: page('ApiKey'),
  Node: object({
    id,
    name: text,
    address: text,
    status: oneOf(NODE_STATUSES),
    slots: integer,
    running: integer,
    queues: texts,
    cpu_threads: integer,
    cpu_model: text,
    ram_total_bytes: integer,
    gpus: list(object({ name: text }, { memory_bytes: integer })),
    encoders: texts,
    engines: texts,
    ffmpeg_version: text,
    labels: { type: 'object', additionalProperties: text },
    registered_at: time,
    seen_at: time,
    cpu_load_percent: orNull(number),
    ram_free_bytes: orNull(integer),
  }),
  RegisteredNode: {
    allOf: [
      ref('Node'),
      object({ heartbeat_interval_seconds: number, lease_seconds: number }, { node_key: text }),
    ],
  },
  NodePage: page('Node'),
  ClaimedAttempt: object({ job: open, lease_token: integer, lease_seconds: number }),
  ClaimAnswer: object({ jobs: list(ref('ClaimedAttempt')) }),
  HeartbeatAnswer: object({
    attempts: list(
      object({
        job_id: id,
        lease: oneOf(['extended', 'lost']),
        lease_seconds: number,
        cancel: flag,
        pause: flag,
      }),
    ),
    drain: flag,
  }),
  ReportAnswer: object({
    results: list(object({ job_id: id, outcome: oneOf(['accepted', 'duplicate', 'stale']) })),
    jobs: list(ref('ClaimedAttempt')),
  }),
  LogAnswer: object({ next_offset: integer }),
  Queue: object({
    name: text,
    rank: number,
    aging_step_seconds: orNull(number),
    max_running: orNull(integer),
    paused: flag,
    depth: integer,
    depth_is_at_least: flag,
    oldest_seconds: orNull(number),
    running: integer,
    submitted_per_minute: integer,
    finished_per_minute: integer,
  }),
  QueuePage: page('Queue'),
  Cluster: object({
    epoch: integer,
    leader: orNull(id),
    masters: list(
      object({
        id,
        name: text,
        host: text,
        pid: integer,
        url: text,
        version: text,
        started_at: time,
        seen_at: time,
        leader: flag,
        listener: oneOf(['up', 'degraded']),
      }),
    ),
  }),
  Resigned: object({ resigned: flag }),
  Health: object({ status: oneOf(['healthy']), database: oneOf(['up', 'down']) }),
  Live: object({ status: oneOf(['alive']) }),
  Readiness: object({ status: oneOf(['ok', 'degraded', 'error', 'shutting_down']), details: open }),
  Leader: object({ leader: flag }),
};
