/**
 * A worker without ffmpeg behind a balancer whose masters come and go: each request goes to any of them, and one that is
 * refused or cut off is sent again, word for word, to the next. It holds each attempt for one heartbeat.
 */
import { randomUUID } from 'node:crypto';
import type { ClaimedAttempt } from '../../../src/protocol/claim.js';
import type { ReportAnswer } from '../../../src/protocol/report.js';
import { registration } from '../../support/registration.js';
import type { Random } from '../../support/seed.js';
import { call } from './api.js';
import { KEY } from './master-process.js';

/** What came of requests, by the URL of the master that answered. */
export type Served = Map<string, { claimed: number; extended: number; accepted: number }>;

interface Answered<Body> {
  /** Of the master that answered. */
  readonly url: string;
  readonly body: Body;
  /** Whether another answer may have been lost before. */
  readonly repeated: boolean;
}

export class RoamingWorker {
  /** Every attempt that it was given, as `job token`. */
  readonly given: string[] = [];
  /** Every lease that was lost, and every report that was not accepted, where no answer to it was lost. */
  readonly surprises: string[] = [];
  /** Why requests had to be sent again. */
  readonly repeats: string[] = [];
  private node = '';
  private stopping = false;

  /** @param urls the masters that the balancer knows; the caller changes it */
  constructor(
    private readonly urls: readonly string[],
    private readonly name: string,
    private readonly served: Served,
    private readonly random: Random,
    private readonly slots = 2,
  ) {}

  async register(): Promise<void> {
    const { body } = await this.post<{ id: string }>('/api/v1/nodes', registration(this.name, this.slots));
    this.node = body.id;
  }

  /** Works until told to stop, and finishes what it has. */
  async work(): Promise<void> {
    let jobs: ClaimedAttempt[] = [];
    while (!this.stopping || jobs.length > 0) {
      if (jobs.length === 0) jobs = await this.claim();
      if (jobs.length === 0) continue;
      await this.heartbeat(jobs);
      jobs = await this.report(jobs);
    }
  }

  stop(): void {
    this.stopping = true;
  }

  private async claim(): Promise<ClaimedAttempt[]> {
    const { url, body } = await this.post<{ jobs: ClaimedAttempt[] }>(`/api/v1/nodes/${this.node}/claim`, {
      claim_id: randomUUID(),
      max_jobs: this.slots,
      wait_seconds: 1,
    });
    return this.taken(url, body.jobs);
  }

  private async heartbeat(jobs: readonly ClaimedAttempt[]): Promise<void> {
    const { url, body } = await this.post<{ attempts: { job_id: string; lease: string }[] }>(
      `/api/v1/nodes/${this.node}/heartbeat`,
      {
        attempts: jobs.map(({ job, lease_token }) => ({
          job_id: job.id,
          lease_token,
          started: true,
          progress: 50,
          fps: 25,
          duration_seconds: 10,
        })),
      },
    );
    for (const { job_id, lease } of body.attempts) {
      if (lease === 'extended') this.at(url).extended += 1;
      else this.surprises.push(`heartbeat of ${job_id}: ${lease}`);
    }
  }

  private async report(jobs: readonly ClaimedAttempt[]): Promise<ClaimedAttempt[]> {
    const { url, body, repeated } = await this.post<ReportAnswer>(`/api/v1/nodes/${this.node}/report`, {
      results: jobs.map(({ job, lease_token }) => ({ job_id: job.id, lease_token, status: 'completed' })),
      ...(!this.stopping && { claim: { claim_id: randomUUID(), max_jobs: this.slots } }),
    });
    for (const { job_id, outcome } of body.results) {
      if (outcome === 'accepted' || (outcome === 'duplicate' && repeated)) this.at(url).accepted += 1;
      else this.surprises.push(`report of ${job_id}: ${outcome}`);
    }
    return this.taken(url, body.jobs);
  }

  private taken(url: string, jobs: ClaimedAttempt[]): ClaimedAttempt[] {
    this.given.push(...jobs.map(({ job, lease_token }) => `${job.id} ${lease_token}`));
    this.at(url).claimed += jobs.length;
    return jobs;
  }

  private at(url: string): { claimed: number; extended: number; accepted: number } {
    const counts = this.served.get(url) ?? { claimed: 0, extended: 0, accepted: 0 };
    this.served.set(url, counts);
    return counts;
  }

  private async post<Body>(path: string, body: unknown): Promise<Answered<Body>> {
    for (let repeated = false; ; repeated = true) {
      // By lot: in turn, one of two masters would get all of a worker's heartbeats, and the other its reports.
      const url = this.urls[this.random.below(this.urls.length)] ?? '';
      const answer = await call<Body>(`${url}${path}`, { key: KEY, body }).catch((error: Error) => error);
      if (!(answer instanceof Error) && answer.status < 300) return { url, body: answer.body, repeated };
      const said =
        answer instanceof Error ? answer.message : `${answer.status} ${JSON.stringify(answer.body)}`;
      this.repeats.push(`${new Date().toISOString()} ${url}${path.slice(path.lastIndexOf('/'))}: ${said}`);
      // Draining, or gone: a balancer would know a moment later. Anything else is a defect.
      if (!(answer instanceof Error) && answer.status !== 503) throw new Error(this.repeats.at(-1));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
