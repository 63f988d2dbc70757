import { Inject, Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { Principal } from '../access/principal.js';
import { ReportsService } from '../dispatch/reports.service.js';
import { JobLogsService } from '../jobs/job-logs.service.js';
import { JobsService } from '../jobs/jobs.service.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { isTerminal, type JobStatus } from '../protocol/job-status.js';
import { Problem } from '../protocol/problem.js';
import type { ReportOutcome } from '../protocol/report.js';
import { AgentAttempts } from './agent-attempts.service.js';
import { logChunks } from './log-chunks.js';
import { isNotFound } from './unknown-nodes.js';
import { readJobResult, type SentResult } from './wire/job-result.js';
import { OldWireError } from './wire/old-wire-error.js';

/** `success` too where the result was taken before: agents send one again whose answer they did not get. */
type ResultAnswer =
  { status: 'success' } | { status: 'stale' } | { status: 'retrying'; retry: number; max_retries: number };

/** How an agent says that an attempt has ended: without a token, with all that ffmpeg printed. */
@Injectable()
export class AgentResults {
  constructor(
    private readonly jobs: JobsService,
    private readonly attempts: AgentAttempts,
    private readonly reports: ReportsService,
    private readonly logs: JobLogsService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** 500 for an unknown job, as over there. What belongs to no attempt of that node changes nothing. */
  async report(principal: Principal, body: string | undefined): Promise<ResultAnswer> {
    const sent = readJobResult(body);
    const job = await this.jobs.find(principal, sent.job_id).catch((error: unknown) => {
      throw isNotFound(error) ? new OldWireError(500, 'Failed to update job status', error) : error;
    });
    if (!isUUID(sent.node_id)) return { status: 'stale' };
    const held = await this.attempts.tokenOf(sent.node_id, job.id);
    // Where nobody holds one the job tells whether this repeats what was accepted.
    const lease_token = held ?? (isHeld(job) ? null : job.lease_token);
    if (lease_token === null) return { status: 'stale' };
    if (held !== undefined) await this.keepLog(job.id, held, sent);
    const outcome = await this.send(principal, sent, job.id, lease_token);
    if (outcome === 'stale') return { status: 'stale' };
    return sent.report.status === 'failed' ? this.afterFailure(principal, job.id) : { status: 'success' };
  }

  private async send(
    { actor }: Principal,
    { node_id, report }: SentResult,
    job_id: string,
    lease_token: number,
  ): Promise<ReportOutcome> {
    try {
      const [outcome] = await this.reports.report(node_id, [{ ...report, job_id, lease_token }], actor);
      return outcome ?? 'stale';
    } catch (error) {
      // The node is gone.
      if (isNotFound(error)) return 'stale';
      throw error;
    }
  }

  /** Before the report, which ends the lease that a log is written under. A canceled job takes none. */
  private async keepLog(job_id: string, lease_token: number, { logs }: SentResult): Promise<void> {
    try {
      for (const chunk of logChunks(logs)) await this.logs.append(job_id, { lease_token, ...chunk });
    } catch (error) {
      // Whatever else it was, the agent sends its result again.
      if (!(error instanceof Problem) || error.status !== 409) throw error;
      this.logger.info({ job_id }, 'the log of an attempt that had ended was not kept');
    }
  }

  private async afterFailure(principal: Principal, id: string): Promise<ResultAnswer> {
    const { status, retry_count, max_retries } = await this.jobs.get(principal, id);
    return isTerminal(status)
      ? { status: 'success' }
      : { status: 'retrying', retry: retry_count, max_retries };
  }
}

function isHeld({ status }: { status: JobStatus }): boolean {
  return status === 'assigned' || status === 'running';
}
