import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '../database/database.js';
import { statement } from '../database/statement.js';
import { CREATE_JOBS, HAND_OVER_JOBS } from './submit.sql.js';

/** A job as one row of a submit; `ordinal` is its place in its request. */
export interface NewJob {
  id: string;
  tenant_id: string;
  scenario: string;
  parameters: unknown;
  queue: string;
  priority: string;
  requirements: unknown;
  engine: string;
  classification: string | null;
  confidence: string | null;
  tags: string[];
  lane_id: number;
  run_at: string | null;
  max_retries: number;
  timeout_seconds: number | null;
  actor: string;
}

/** Who asked for it, so that a repeat gets the same jobs. */
export interface IdempotencyKey {
  tenant_id: string;
  route: string;
  key: string;
  /** SHA-256 of the body, in hex. */
  body_hash: string;
}

export interface SubmitRequest {
  jobs: NewJob[];
  idempotency?: IdempotencyKey;
}

export interface CreatedJob {
  id: string;
  sequence_number: number;
  created_at: Date;
  due_at: Date | null;
}

/** A parked claim that would take a job of this group at once. */
export interface ClaimOffer {
  /** The job's id. */
  id: string;
  node_id: string;
  claim_id: string;
}

/** A job with its attempt, where it was handed over; queued otherwise. */
export interface HandedJob extends CreatedJob {
  status: 'queued' | 'assigned';
  node_id: string | null;
  node_name: string | null;
  attempt: number;
  assigned_at: Date | null;
  lease_token: number | null;
  position: number;
}

export interface KnownKey {
  tenant_id: string;
  route: string;
  key: string;
  body_hash: string;
  job_ids: string[];
}

const SUBMIT_JOBS = statement('CreateJob', CREATE_JOBS, { hot: true });

const SUBMIT_AND_BEGIN = statement('HandOverJob', HAND_OVER_JOBS, { hot: true });

// LIMIT keeps it a look-up a key: as a join, a plan made while the table was empty read all keys of the day.
const FIND_KEYS = statement(
  'FindIdempotencyKeys',
  `SELECT f.*
   FROM json_to_recordset($1::json) AS r(tenant_id text, route text, key text)
   CROSS JOIN LATERAL (
     SELECT k.tenant_id, k.route, k.key, encode(k.body_hash, 'hex') AS body_hash, k.job_ids
     FROM ffmpeg_master.idempotency_keys k
     WHERE k.tenant_id = r.tenant_id AND k.route = r.route AND k.key = r.key LIMIT 1
   ) f`,
  { hot: true },
);

@Injectable()
export class SubmitRepository {
  constructor(private readonly database: Database) {}

  /** Answers the jobs that this statement made; the others existed, or their request's key did. */
  create(requests: readonly SubmitRequest[]): Promise<CreatedJob[]> {
    return this.database.query<CreatedJob>(SUBMIT_JOBS, valuesOf(requests));
  }

  /** The same; where `check`, which sees what was committed since, throws, nothing of it stays. */
  createUnless(
    requests: readonly SubmitRequest[],
    check: (made: readonly CreatedJob[], transaction: Queryable) => Promise<void>,
  ): Promise<CreatedJob[]> {
    return this.database.transaction(
      async (transaction) => {
        const made = await transaction.query<CreatedJob>(SUBMIT_JOBS, valuesOf(requests));
        await check(made, transaction);
        return made;
      },
      { hot: true },
    );
  }

  /** As `create` does, some of them handed to parked claims at once. `lease` in milliseconds. */
  handOver(
    requests: readonly SubmitRequest[],
    offers: readonly ClaimOffer[],
    lease: number,
  ): Promise<HandedJob[]> {
    const offered = offers.map((offer, ordinal) => ({ ordinal, ...offer }));
    return this.database.query<HandedJob>(SUBMIT_AND_BEGIN, [
      ...valuesOf(requests),
      JSON.stringify(offered),
      lease,
    ]);
  }

  findKeys(keys: readonly IdempotencyKey[]): Promise<KnownKey[]> {
    return this.database.query<KnownKey>(FIND_KEYS, [JSON.stringify(keys)]);
  }
}

function valuesOf(requests: readonly SubmitRequest[]): string[] {
  const jobs = requests.flatMap((one, request) =>
    one.jobs.map((job, ordinal) => ({ ...job, request, ordinal })),
  );
  const keys = requests.flatMap(({ idempotency, jobs: made }, request) =>
    idempotency ? [{ request, ...idempotency, job_ids: made.map((job) => job.id) }] : [],
  );
  return [JSON.stringify(jobs), JSON.stringify(keys)];
}
