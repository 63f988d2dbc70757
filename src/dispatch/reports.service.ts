import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { Grouped } from '../database/grouped.js';
import { StatementGroups } from '../database/statement-groups.js';
import { backoffTable, jitter } from '../jobs/backoff.js';
import { History } from '../jobs/history.js';
import { QueueRates } from '../jobs/queue-rates.js';
import { nodeNotFound } from '../nodes/nodes.service.js';
import { NodeDirectory } from '../nodes/node-directory.js';
import { PERMANENT_FAILURE_REASONS } from '../protocol/failure-reason.js';
import type { AttemptReport, ReportOutcome } from '../protocol/report.js';
import { storable } from '../protocol/storable.js';
import { Signals } from '../signals/signals.js';
import type { AttemptRow } from './claim.repository.js';
import { ClaimsService } from './claims.service.js';
import { DispatchMetrics } from './dispatch.metrics.js';
import { QueueDirectory } from './queue-directory.js';
import { ReportRepository, type ReportedItem, type ReportItem } from './report.repository.js';

/** Results in one statement. */
const REPORTS_A_GROUP = 500;

/**
 * How an attempt ends by its worker's word. Accepted once, by (job, token, node); a repeat of what was
 * accepted is `duplicate`, everything else `stale`, and neither changes a job.
 */
@Injectable()
export class ReportsService {
  private readonly reports: Grouped<ReportItem, ReportOutcome>;
  private readonly takenBack: Grouped<ReportItem, boolean>;
  private readonly backoff: readonly number[];

  constructor(
    private readonly repository: ReportRepository,
    private readonly history: History,
    private readonly nodes: NodeDirectory,
    private readonly claims: ClaimsService,
    private readonly queues: QueueDirectory,
    private readonly signals: Signals,
    private readonly rates: QueueRates,
    private readonly metrics: DispatchMetrics,
    settings: Settings,
    groups: StatementGroups,
  ) {
    this.backoff = backoffTable(settings.retry);
    this.reports = groups.make({
      name: 'reports',
      max_group: REPORTS_A_GROUP,
      run: (items: readonly ReportItem[]) => this.run(items),
    });
    this.takenBack = groups.make({
      name: 'taken_back',
      max_group: REPORTS_A_GROUP,
      run: (items: readonly ReportItem[]) => this.runTakeBack(items),
    });
  }

  /** One outcome a result, in the order given. 404 for a node that is not there. */
  async report(node_id: string, results: readonly AttemptReport[], actor: string): Promise<ReportOutcome[]> {
    if (!(this.nodes.peek(node_id) ?? (await this.nodes.get(node_id)))) throw nodeNotFound();
    return Promise.all(results.map((result) => this.reports.add(asItem(node_id, result, actor))));
  }

  /**
   * Hands attempts back that their worker never heard of: its connection closed before the answer. Those of which it
   * heard meanwhile, since it asked again elsewhere, stay.
   */
  async takeBack(node_id: string, claim_id: string, attempts: readonly AttemptRow[]): Promise<void> {
    if (attempts.length === 0) return;
    const taken = await Promise.all(
      attempts.map(({ id, lease_token }) =>
        this.takenBack.add(asItem(node_id, { job_id: id, lease_token, status: 'released' }, 'master')),
      ),
    );
    if (taken.every((one) => one)) await this.claims.forgetAnswer(node_id, claim_id);
  }

  private async runTakeBack(items: readonly ReportItem[]): Promise<boolean[]> {
    const rows = await this.repository.takeBack(items, this.backoff);
    this.announce(items, rows);
    const taken = new Set(rows.flatMap(({ accepted, ordinal }) => (accepted ? [ordinal] : [])));
    this.metrics.takenBack(taken.size);
    return items.map((_, index) => taken.has(index + 1));
  }

  private async run(items: readonly ReportItem[]): Promise<ReportOutcome[]> {
    const rows = await this.repository.report(items, this.backoff);
    const byOrdinal = new Map(rows.map((row) => [row.ordinal, row]));
    this.announce(items, rows);
    const refused = items.filter((_, index) => !byOrdinal.get(index + 1)?.accepted);
    const known = refused.length > 0 ? await this.lastReports(refused) : new Map<string, string>();
    const outcomes = items.map((item, index): ReportOutcome => {
      if (byOrdinal.get(index + 1)?.accepted) return 'accepted';
      return known.get(`${item.job_id} ${item.lease_token}`) === item.status ? 'duplicate' : 'stale';
    });
    this.metrics.reported(items, outcomes);
    return outcomes;
  }

  /** By a fresh snapshot: which report was accepted of each job, as `job token` → status. */
  private async lastReports(items: readonly ReportItem[]): Promise<Map<string, string>> {
    const ids = [...new Set(items.map((item) => item.job_id))];
    const live = await this.repository.findReported(ids);
    const found = new Set(live.map((row) => row.id));
    const archived = await this.history.findByIds(ids.filter((id) => !found.has(id)));
    const known = new Map<string, string>();
    for (const row of [...live, ...archived]) {
      if (row.reported_token !== null && row.reported_as !== null)
        known.set(`${row.id} ${row.reported_token}`, row.reported_as);
    }
    // A cancel ended the attempt itself; the worker's `canceled` says that it obeyed.
    for (const row of archived)
      if (row.status === 'canceled') known.set(`${row.id} ${row.lease_token}`, 'canceled');
    return known;
  }

  private announce(items: readonly ReportItem[], rows: readonly ReportedItem[]): void {
    const lanes = new Map<number, number>();
    const queues = new Set<string>();
    for (const row of rows) {
      if (row.finished !== null) this.rates.finished(row.finished);
      if (row.queue !== null && this.queues.get(row.queue).max_running !== null) queues.add(row.queue);
      if (row.due_at) this.signals.send('due', String(row.due_at.getTime()));
      if (row.waiting && row.lane_id !== null) lanes.set(row.lane_id, (lanes.get(row.lane_id) ?? 0) + 1);
    }
    for (const [lane, count] of lanes) this.signals.send('lane', String(lane), count);
    for (const queue of queues) this.signals.send('queue', queue);
    if (rows.some((row) => row.accepted)) this.signals.send('event');
    const freed = rows.flatMap((row) => (row.queue === null ? [] : (items[row.ordinal - 1]?.node_id ?? [])));
    if (freed.length > 0) this.claims.freed(new Set(freed), queues);
  }
}

function asItem(node_id: string, result: AttemptReport, actor: string): ReportItem {
  const { job_id, lease_token, status, failure_reason } = result;
  return {
    node_id,
    job_id: job_id.toLowerCase(),
    lease_token,
    status,
    result: storable(result.result ?? null),
    // Null where it was sent: an optional field may be.
    error: storable(result.error ?? null) as string | null,
    failure_reason: failure_reason ?? null,
    permanent: failure_reason != null && PERMANENT_FAILURE_REASONS.includes(failure_reason),
    jitter: jitter(),
    actor,
  };
}
