import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { uuidv7 } from 'uuidv7';
import type { Principal } from '../access/principal.js';
import { Settings } from '../config/settings.js';
import type { Grouped } from '../database/grouped.js';
import { isConnectionLost } from '../database/sql-errors.js';
import { StatementGroups } from '../database/statement-groups.js';
import type { Job } from '../protocol/job.js';
import { invalid, Problem, unavailable, unprocessable } from '../protocol/problem.js';
import { effectiveParameters } from '../protocol/scenario.js';
import type { SubmitJob } from '../protocol/submit-job.js';
import { Signals } from '../signals/signals.js';
import { canonicalJson } from './canonical-json.js';
import { History } from './history.js';
import { toJob, type JobRow } from './job-row.js';
import { JobsMetrics } from './jobs.metrics.js';
import { JobsRepository } from './jobs.repository.js';
import { LaneDirectory } from './lane-directory.js';
import { laneRequirement, type LaneRequirement } from './lane-requirement.js';
import { LaneStatus } from './lane-status.js';
import type { Lane } from './lanes.repository.js';
import { ParkedWorkers, type KeptClaim } from './parked-workers.js';
import { QueueRates } from './queue-rates.js';
import { RepeatedSubmits } from './repeated-submits.js';
import {
  SubmitRepository,
  type CreatedJob,
  type HandedJob,
  type IdempotencyKey,
  type NewJob,
  type SubmitRequest,
} from './submit.repository.js';

/** Jobs in one statement: 16 batches of 1,000 are half a second of one connection, and no more. */
const BATCHES_A_GROUP = 16;

/**
 * A batch is a statement's worth by itself, and while the server inserts one a master can write and answer the next:
 * one by one, the two used 1.2 of two cores.
 */
const BATCHES_IN_FLIGHT = 2;

/** A request on its way; `tried` once its jobs may have been committed. */
interface Pending extends SubmitRequest {
  readonly actor: string;
  tried: boolean;
}

export interface SubmitOptions {
  /** The client's `Idempotency-Key`, with the route it was sent to. */
  readonly idempotency_key?: string;
  readonly route: string;
  /** What each job asks of a node, where its fields do not say it in our words. */
  readonly requirements?: readonly LaneRequirement[];
}

@Injectable()
export class SubmitService {
  private readonly singles: Grouped<Pending, Job[] | Problem>;
  private readonly batches: Grouped<Pending, Job[] | Problem>;
  private readonly repeated: RepeatedSubmits;

  constructor(
    private readonly repository: SubmitRepository,
    private readonly jobs: JobsRepository,
    private readonly history: History,
    private readonly lanes: LaneDirectory,
    private readonly laneStatus: LaneStatus,
    private readonly parked: ParkedWorkers,
    private readonly signals: Signals,
    private readonly rates: QueueRates,
    private readonly metrics: JobsMetrics,
    private readonly settings: Settings,
    groups: StatementGroups,
  ) {
    this.repeated = new RepeatedSubmits(repository, history);
    const run = (requests: readonly Pending[]) => this.run(requests);
    this.singles = groups.make({ name: 'submit', run });
    this.batches = groups.make({
      name: 'submit_batch',
      run,
      max_group: BATCHES_A_GROUP,
      max_queued: 1000,
      in_flight: BATCHES_IN_FLIGHT,
    });
  }

  /** Answers once the jobs are committed, in the order given. All or nothing. */
  async submit(principal: Principal, wanted: readonly SubmitJob[], options: SubmitOptions): Promise<Job[]> {
    // First, since it may refuse the key, and what is refused shall make no lane.
    const key = idempotency(principal.tenant_id, wanted, options);
    // All are looked for before the first is waited for; mostly all are known, and nothing is.
    const lanes = wanted.map((job, index) => this.laneOf(principal, job, options.requirements?.[index]));
    const jobs: NewJob[] = [];
    for (const [index, job] of wanted.entries()) {
      const lane = lanes[index] as Lane | Promise<Lane>;
      jobs.push(this.newJob(principal, job, lane instanceof Promise ? await lane : lane));
    }
    const request: Pending = {
      jobs,
      actor: principal.actor,
      idempotency: key,
      tried: false,
    };
    const answer = await (jobs.length === 1 ? this.singles.add(request) : this.batches.add(request));
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  private laneOf(
    principal: Principal,
    job: SubmitJob,
    requirement = requirementOf(job),
  ): Lane | Promise<Lane> {
    return this.lanes.of(principal.tenant_id, job.queue ?? 'default', job.priority ?? 'medium', requirement);
  }

  private newJob(principal: Principal, job: SubmitJob, lane: Lane): NewJob {
    return {
      id: uuidv7(),
      tenant_id: principal.tenant_id,
      scenario: job.scenario,
      parameters: job.parameters ?? {},
      queue: lane.queue,
      priority: lane.priority,
      requirements: job.requirements ?? {},
      engine: job.engine ?? 'auto',
      classification: job.classification ?? null,
      confidence: job.confidence ?? null,
      tags: job.tags ?? [],
      lane_id: lane.id,
      run_at: job.run_at ? new Date(job.run_at).toISOString() : null,
      max_retries: job.max_retries ?? this.settings.retry.max_retries,
      timeout_seconds: job.timeout_seconds ?? null,
      actor: principal.actor,
    };
  }

  /** One group: what this statement made, then, by a fresh snapshot, what was there before it. */
  private async run(requests: readonly Pending[]): Promise<(Job[] | Problem)[]> {
    const rows = requests.some(({ tried }) => tried)
      ? await this.repeated.create(requests)
      : await this.createOrHandOver(requests);
    for (const request of requests) request.tried = true;
    const created = new Map(rows.map((row) => [row.id, row]));
    this.announce(requests, created);
    const missing = requests.filter(({ jobs }) => jobs.some((job) => !created.has(job.id)));
    const found = missing.length > 0 ? await this.lookUp(missing) : new Map<Pending, Job[] | Problem>();
    return requests.map(
      (request) => found.get(request) ?? request.jobs.map((job) => this.answer(job, created.get(job.id))),
    );
  }

  /** The first try. A server's refusal tells that nothing of it was committed; a lost connection tells nothing. */
  private async createOrHandOver(requests: readonly Pending[]): Promise<(CreatedJob | HandedJob)[]> {
    try {
      const kept = this.keepClaims(requests);
      return await (kept.size > 0 ? this.handOver(requests, kept) : this.repository.create(requests));
    } catch (error) {
      if (isConnectionLost(error)) for (const request of requests) request.tried = true;
      throw error;
    }
  }

  /** Single jobs for which a worker is parked here go straight to it. */
  private async handOver(
    requests: readonly Pending[],
    kept: ReadonlyMap<NewJob, KeptClaim>,
  ): Promise<HandedJob[]> {
    try {
      const offers = [...kept].map(([{ id }, { node_id, claim_id }]) => ({ id, node_id, claim_id }));
      const rows = await this.repository.handOver(requests, offers, this.settings.workers.lease_duration);
      const handed = new Map(
        rows.filter(({ lease_token }) => lease_token !== null).map((row) => [row.id, row]),
      );
      for (const [job, claim] of kept) {
        const row = handed.get(job.id);
        if (row) claim.give(job, row);
        else claim.release();
      }
      return rows;
    } catch (error) {
      for (const claim of kept.values()) claim.losesTrack();
      throw error;
    }
  }

  private keepClaims(requests: readonly Pending[]): Map<NewJob, KeptClaim> {
    const kept = new Map<NewJob, KeptClaim>();
    for (const { jobs } of requests) {
      const [job, another] = jobs;
      if (!job || another || job.run_at !== null) continue;
      const lane = this.lanes.peek(job.lane_id);
      const claim = lane && this.parked.keep(lane);
      if (!claim) break;
      kept.set(job, claim);
    }
    return kept;
  }

  private async lookUp(requests: readonly Pending[]): Promise<Map<Pending, Job[] | Problem>> {
    const keys = requests.flatMap(({ idempotency }) => idempotency ?? []);
    const known = keys.length > 0 ? await this.repository.findKeys(keys) : [];
    const byKey = new Map(known.map((key) => [nameOf(key), key]));
    const wanted = requests.map((request) => {
      const key = request.idempotency && byKey.get(nameOf(request.idempotency));
      if (key && key.body_hash !== request.idempotency?.body_hash) return KEY_REUSED;
      return key ? key.job_ids : request.jobs.map((job) => job.id);
    });
    const ids = wanted.flatMap((one) => (one instanceof Problem ? [] : one));
    const rows = new Map((await this.jobs.getMany(ids)).map((row) => [row.id, row]));
    const archived = ids.filter((id) => !rows.has(id));
    for (const row of archived.length > 0 ? await this.history.findByIds(archived) : [])
      rows.set(row.id, row);
    return new Map(
      requests.map((request, index) => {
        const ids = wanted[index];
        if (!ids || ids instanceof Problem) return [request, ids ?? LOST_TRACK];
        const found = ids.flatMap((id) => rows.get(id) ?? []);
        const jobs = found.map((row) => toJob(row, (lane) => this.laneStatus.blocked(lane)));
        return [request, jobs.length === ids.length ? jobs : LOST_TRACK];
      }),
    );
  }

  private announce(requests: readonly Pending[], created: Map<string, CreatedJob | HandedJob>): void {
    const lanes = new Map<number, number>();
    const engines = new Map<string, number>();
    for (const job of requests.flatMap((request) => request.jobs)) {
      const row = created.get(job.id);
      if (row) {
        this.rates.submitted(job.queue);
        engines.set(job.engine, (engines.get(job.engine) ?? 0) + 1);
      }
      if (row && 'lease_token' in row && row.lease_token !== null) continue;
      if (row?.due_at) this.signals.send('due', String(row.due_at.getTime()));
      else if (row) lanes.set(job.lane_id, (lanes.get(job.lane_id) ?? 0) + 1);
    }
    for (const [lane, count] of lanes) {
      // What is taken here need not wake the other masters: each of them would come for nothing.
      const elsewhere = count - this.parked.hungerFor(lane, count);
      this.signals.send('lane', String(lane), count, elsewhere);
    }
    this.metrics.submitted(engines);
    if (created.size > 0) this.signals.send('event');
  }

  private answer(job: NewJob, created: CreatedJob | HandedJob | undefined): Job {
    if (created === undefined) throw new Error(`job ${job.id} was neither made nor found`);
    return toJob(asRow(job, created), (lane) => this.laneStatus.blocked(lane));
  }
}

/** What was sent as null counts as not sent. */
function requirementOf({ scenario, parameters, requirements, engine }: SubmitJob): LaneRequirement {
  return laneRequirement(
    requirements ?? {},
    effectiveParameters(scenario, parameters ?? {}),
    engine ?? 'auto',
  );
}

const KEY_REUSED = unprocessable(
  'This Idempotency-Key was used with another body. Send the first body again, or a new key for a new job.',
);

const LOST_TRACK = unavailable(
  'The jobs of this request could not be read back. Send the same request again.',
  1,
);

const MAX_KEY_LENGTH = 255;

function idempotency(
  tenant_id: string,
  body: readonly SubmitJob[],
  { idempotency_key, route }: SubmitOptions,
): IdempotencyKey | undefined {
  if (idempotency_key === undefined) return undefined;
  if (!/^[\x21-\x7e]+$/.test(idempotency_key) || idempotency_key.length > MAX_KEY_LENGTH) {
    throw invalid('Idempotency-Key must be 1 to 255 printable ASCII characters without spaces.');
  }
  const body_hash = createHash('sha256').update(canonicalJson(body)).digest('hex');
  return { tenant_id, route, key: idempotency_key, body_hash };
}

function nameOf({ tenant_id, route, key }: { tenant_id: string; route: string; key: string }): string {
  return `${tenant_id}\n${route}\n${key}`;
}

/**
 * A job that was just made, as it would be read back. Field by field: a copy that is written over is an object of a
 * shape of its own, and making shapes was 29 % of a batch, their garbage not counted.
 */
function asRow(job: NewJob, created: CreatedJob | HandedJob): JobRow {
  const handed = 'lease_token' in created ? created : undefined;
  return {
    id: job.id,
    sequence_number: created.sequence_number,
    tenant_id: job.tenant_id,
    scenario: job.scenario,
    parameters: job.parameters as JobRow['parameters'],
    queue: job.queue,
    priority: job.priority,
    requirements: job.requirements as JobRow['requirements'],
    engine: job.engine,
    classification: job.classification,
    confidence: job.confidence,
    tags: job.tags,
    status: handed?.status ?? 'queued',
    paused: false,
    lane_id: job.lane_id,
    run_at: job.run_at === null ? null : new Date(job.run_at),
    due_at: created.due_at,
    max_retries: job.max_retries,
    timeout_seconds: job.timeout_seconds,
    attempt: handed?.attempt ?? 0,
    retry_count: 0,
    node_id: handed?.node_id ?? null,
    node_name: handed?.node_name ?? null,
    lease_token: handed?.lease_token ?? null,
    created_at: created.created_at,
    assigned_at: handed?.assigned_at ?? null,
    started_at: null,
    error: null,
    failure_reason: null,
    progress: null,
    result: null,
    completed_at: null,
  };
}
