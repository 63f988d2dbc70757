import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import type { Job } from '../protocol/job.js';
import { conflict } from '../protocol/problem.js';
import { Signals } from '../signals/signals.js';
import type { ArchivedRow } from './history.repository.js';
import { History } from './history.js';
import { JobList } from './job-list.js';
import { jobNotFound, parseJobReference, type JobReference } from './job-reference.js';
import { toJob, type JobRow } from './job-row.js';
import { JobsRepository } from './jobs.repository.js';
import { LaneDirectory } from './lane-directory.js';
import { LaneStatus } from './lane-status.js';
import { decodeCursor, encodeCursor, type ListJobsQuery } from './list-query.js';
import { QueueRates } from './queue-rates.js';
import { TransitionsRepository, type Changed } from './transitions.repository.js';

const DEFAULT_LIMIT = 50;

/** Reading jobs and what people do to them. Submitting is `SubmitService`, running is `dispatch`. */
@Injectable()
export class JobsService {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly history: History,
    private readonly list_: JobList,
    private readonly transitions: TransitionsRepository,
    private readonly lanes: LaneDirectory,
    private readonly laneStatus: LaneStatus,
    private readonly signals: Signals,
    private readonly rates: QueueRates,
  ) {}

  /** By id or number; 404 where the tenant has no such job. */
  async get(principal: Principal, reference: string): Promise<Job> {
    return this.view(await this.find(principal, reference));
  }

  async list(
    principal: Principal,
    query: ListJobsQuery,
  ): Promise<{ items: Job[]; next_cursor: string | null }> {
    const before = query.cursor ? decodeCursor(query.cursor) : Number.MAX_SAFE_INTEGER;
    const page = await this.list_.page(principal.tenant_id, query, before, query.limit ?? DEFAULT_LIMIT);
    // All lanes of the page in one statement: one by one a page of 500 asked 500 times.
    await this.lanes.byIds([...new Set(page.rows.map((row) => row.lane_id))]);
    return {
      items: await Promise.all(page.rows.map((row) => this.view(row))),
      next_cursor: page.next === undefined ? null : encodeCursor(page.next),
    };
  }

  /** Ends a live job at once. Canceling a canceled job is no error. */
  async cancel(principal: Principal, reference: string): Promise<Job> {
    return this.change(principal, reference, {
      verb: 'cancel',
      apply: async (row) => {
        const changed = await this.transitions.cancel(row.id, principal.tenant_id, principal.actor);
        if (changed) this.rates.finished(row.queue);
        return changed;
      },
      already: (row) => row.status === 'canceled',
    });
  }

  /** Lies over any live job. Pausing a paused one is no error. */
  async pause(principal: Principal, reference: string): Promise<Job> {
    return this.change(principal, reference, {
      verb: 'pause',
      apply: (row) => this.transitions.pause(row.id, principal.tenant_id, principal.actor),
      already: (row) => row.paused,
    });
  }

  async resume(principal: Principal, reference: string): Promise<Job> {
    return this.change(principal, reference, {
      verb: 'resume',
      apply: (row) => this.transitions.resume(row.id, principal.tenant_id, principal.actor),
      already: () => false,
    });
  }

  /** Gives a failed or canceled job its attempts back. */
  async retry(principal: Principal, reference: string): Promise<Job> {
    return this.change(principal, reference, {
      verb: 'retry',
      apply: async (row) =>
        isArchived(row)
          ? this.transitions.retry(row.id, principal.tenant_id, principal.actor, row.archived_on)
          : undefined,
      already: () => false,
    });
  }

  /** The row of a live or archived job. */
  async find(principal: Principal, reference: string): Promise<JobRow | ArchivedRow> {
    const parsed = parseJobReference(reference);
    const row = await this.lookUp(parsed, principal.tenant_id);
    if (!row) throw jobNotFound();
    return row;
  }

  private async lookUp(
    reference: JobReference,
    tenant_id: string,
  ): Promise<JobRow | ArchivedRow | undefined> {
    return (
      (await this.jobs.get(reference, tenant_id)) ??
      (await this.history.find(reference, tenant_id)) ??
      // Between the two reads an explicit retry may have brought it back.
      (await this.jobs.get(reference, tenant_id))
    );
  }

  private async change(
    principal: Principal,
    reference: string,
    { verb, apply, already }: Change,
  ): Promise<Job> {
    const before = await this.find(principal, reference);
    const changed = await apply(before);
    const after = await this.find(principal, before.id);
    if (!changed && !already(after)) {
      const state = after.paused ? `${after.status} and paused` : after.status;
      throw conflict(`A job that is ${state} cannot be ${PAST[verb]}.`, { current_status: after.status });
    }
    if (changed) this.announce(changed);
    return this.view(after);
  }

  private announce(changed: Changed): void {
    if (changed.waiting) this.signals.send('lane', String(changed.lane_id), 1);
    this.signals.send('event');
  }

  /** A row as it is answered. */
  async view(row: JobRow): Promise<Job> {
    if (row.status === 'queued') await this.lanes.byIds([row.lane_id]);
    return toJob(row, (lane) => this.laneStatus.blocked(lane));
  }
}

interface Change {
  readonly verb: keyof typeof PAST;
  readonly apply: (row: JobRow | ArchivedRow) => Promise<Changed | undefined>;
  readonly already: (row: JobRow) => boolean;
}

const PAST = { cancel: 'canceled', pause: 'paused', resume: 'resumed', retry: 'retried' } as const;

function isArchived(row: JobRow | ArchivedRow): row is ArchivedRow {
  return 'archived_on' in row;
}
