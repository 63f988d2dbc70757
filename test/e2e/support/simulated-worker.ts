import { randomUUID } from 'node:crypto';
import type { ClaimedAttempt } from '../../../src/protocol/claim.js';
import type { ReportAnswer } from '../../../src/protocol/report.js';
import { registration } from '../../support/registration.js';
import { call } from './api.js';
import { KEY } from './master-process.js';

export interface SimulatedWorkerOptions {
  /** Another one is taken for each request, as behind a balancer. */
  readonly urls: readonly string[];
  readonly slots: number;
  readonly name: string;
  /** Place of the first of them that it asks, so that not all begin with the same. */
  readonly first: number;
}

/** A worker without ffmpeg: claims over HTTP, does nothing, reports success and claims in the same request. */
export class SimulatedWorker {
  /** Every attempt that it was given, as `job token`. */
  readonly given: string[] = [];
  readonly outcomes = new Map<string, number>();
  private node = '';
  private stopping = false;
  private turn: number;

  constructor(private readonly options: SimulatedWorkerOptions) {
    this.turn = options.first;
  }

  async register(): Promise<void> {
    const { body } = await this.post<{ id: string }>(
      '/api/v1/nodes',
      registration(this.options.name, this.options.slots),
    );
    this.node = body.id;
  }

  /** Works until told to stop. */
  async work(): Promise<void> {
    let jobs: ClaimedAttempt[] = [];
    while (!this.stopping) {
      jobs = jobs.length > 0 ? await this.report(jobs) : await this.claim();
      this.given.push(...jobs.map(({ job, lease_token }) => `${job.id} ${lease_token}`));
    }
    if (jobs.length > 0) await this.report(jobs, false);
  }

  stop(): void {
    this.stopping = true;
  }

  private async claim(): Promise<ClaimedAttempt[]> {
    const { body } = await this.post<{ jobs: ClaimedAttempt[] }>(`/api/v1/nodes/${this.node}/claim`, {
      claim_id: randomUUID(),
      max_jobs: this.options.slots,
      wait_seconds: 2,
    });
    return body.jobs;
  }

  private async report(jobs: ClaimedAttempt[], claims = true): Promise<ClaimedAttempt[]> {
    const { body } = await this.post<ReportAnswer>(`/api/v1/nodes/${this.node}/report`, {
      results: jobs.map(({ job, lease_token }) => ({ job_id: job.id, lease_token, status: 'completed' })),
      ...(claims && { claim: { claim_id: randomUUID(), max_jobs: this.options.slots } }),
    });
    for (const { outcome } of body.results) this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    return body.jobs;
  }

  private async post<Body>(path: string, body: unknown): Promise<{ body: Body }> {
    const url = this.options.urls[(this.turn += 1) % this.options.urls.length];
    const answer = await call<Body>(`${url}${path}`, { key: KEY, body });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }
}
