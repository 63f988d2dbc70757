import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { JobEvents } from '../jobs/job-events.js';
import { JobLogsService } from '../jobs/job-logs.service.js';
import type { JobRow } from '../jobs/job-row.js';
import { JobsService } from '../jobs/jobs.service.js';
import { SubmitService } from '../jobs/submit.service.js';
import { Problem } from '../protocol/problem.js';
import { readJobRequest } from './wire/job-request.js';
import { toOldJob } from './wire/old-job.js';
import { oldStatus } from './wire/old-status.js';
import { OldWireError } from './wire/old-wire-error.js';

const PAGE = 500;

/** Transitions of one job that are told; one that was released 20 times between three failures has 170. */
const MOST_EVENTS = 1_000;

const DONE = { pause: 'paused', resume: 'resumed', cancel: 'canceled' } as const;

/** Jobs as ffmpeg-rtmp's CLI submits, reads and changes them. */
@Injectable()
export class OldJobs {
  constructor(
    private readonly jobs: JobsService,
    private readonly submits: SubmitService,
    private readonly logs_: JobLogsService,
    private readonly events: JobEvents,
  ) {}

  async submit(
    principal: Principal,
    body: string | undefined,
    idempotency_key: string | undefined,
  ): Promise<object> {
    const { job: wanted, requirement } = readJobRequest(body);
    const options = { route: 'POST /jobs', idempotency_key, requirements: [requirement] };
    const [job] = await this.submits.submit(principal, [wanted], options);
    if (!job) throw new Error('a submit of one job answered none');
    return toOldJob(job);
  }

  /** As it was given to an agent: without log and transitions, of which agents have no use. */
  async given(principal: Principal, id: string): Promise<object> {
    return toOldJob(await this.jobs.get(principal, id));
  }

  async get(principal: Principal, reference: string): Promise<object> {
    const row = await this.jobs.find(principal, reference);
    const [job, logs, events] = await Promise.all([
      this.jobs.view(row),
      this.textOf(row),
      this.events.list(row, 0, MOST_EVENTS),
    ]);
    return toOldJob(job, { logs, events });
  }

  async logs(principal: Principal, reference: string): Promise<{ job_id: string; logs: string }> {
    const row = await this.jobs.find(principal, reference);
    const text = await this.textOf(row);
    const instead = row.error ? `Error: ${row.error}` : 'No logs available for this job';
    return { job_id: row.id, logs: text === '' ? instead : text };
  }

  /**
   * All jobs, newest first, without their logs, as `{"jobs":[…],"count":n}`. What fails midway cuts the connection: an
   * answer that looks whole and is not would be believed.
   */
  list(principal: Principal): Readable {
    return Readable.from(this.pages(principal), { objectMode: false });
  }

  async change(principal: Principal, reference: string, verb: keyof typeof DONE): Promise<object> {
    try {
      const { id } = await this.jobs[verb](principal, reference);
      return { job_id: id, status: DONE[verb] };
    } catch (error) {
      if (!isConflict(error)) throw error;
      const status = oldStatus(await this.jobs.get(principal, reference));
      throw new OldWireError(400, `Failed to ${verb} job: cannot ${verb} job in status: ${status}`, error);
    }
  }

  async retry(principal: Principal, reference: string): Promise<object> {
    try {
      const { id, retry_count } = await this.jobs.retry(principal, reference);
      return { job_id: id, retry_count, status: 'queued' };
    } catch (error) {
      if (!isConflict(error)) throw error;
      throw new OldWireError(400, 'Only failed or canceled jobs can be retried', error);
    }
  }

  private async *pages(principal: Principal): AsyncGenerator<string> {
    let count = 0;
    for (let cursor: string | undefined; ;) {
      const { items, next_cursor } = await this.jobs.list(principal, { limit: PAGE, cursor });
      const text = items.map((job) => JSON.stringify(toOldJob(job))).join(',');
      if (items.length > 0) yield `${count === 0 ? '{"jobs":[' : ','}${text}`;
      count += items.length;
      if (next_cursor === null) break;
      cursor = next_cursor;
    }
    yield count === 0 ? '{"count":0,"jobs":null}\n' : `],"count":${count}}\n`;
  }

  /** What its attempts logged, one behind the other. */
  private async textOf(row: JobRow): Promise<string> {
    const texts: string[] = [];
    for (let after = { lease_token: 0, start_offset: -1 }; ;) {
      const page = await this.logs_.read(row, after);
      if (page.chunks.length === 0) return texts.join('');
      texts.push(...page.chunks.map(({ text }) => text));
      after = page.after;
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof Problem && error.status === 409;
}
