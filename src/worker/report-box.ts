/**
 * Reports on their way. Those that wait travel together, and the claim for the slots that they free rides
 * in the same request. A report is repeated until a master answers, however long that takes: repeated, it
 * is `duplicate`, and after an outage only the masters can say whether an attempt still counts.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { RidingClaim } from '../protocol/claim.js';
import type { AttemptReport, ReportAnswer, ReportOutcome, ReportRequest } from '../protocol/report.js';
import type { ClaimLoop, OnClaimed } from './claim-loop.js';
import { monotonicNow } from './lease-clock.js';
import type { MasterClient } from './master-client.js';
import { MasterRefused } from './master-error.js';
import { isUnknownNode, type NodeIdentity } from './node-identity.js';
import type { Slots } from './slots.js';

interface Waiting {
  nodeId: string;
  report: AttemptReport;
  /** Frees the slot of the attempt; absent where it holds none. */
  slot?: { release(): void };
  resolve: (outcome: ReportOutcome) => void;
  reject: (error: unknown) => void;
}

const ASK_TIMEOUT_MS = 10_000;
const MAX_TOGETHER = 100;
const REFUSED_PAUSE_MS = 5_000;

export class ReportBox {
  private readonly waiting: Waiting[] = [];
  private sending = false;

  constructor(
    private readonly client: MasterClient,
    private readonly node: NodeIdentity,
    private readonly slots: Slots,
    private readonly claims: ClaimLoop,
    private readonly onClaimed: OnClaimed,
    private readonly logger: Logger,
    /** Gives up what is not answered yet. */
    private readonly abandoned: AbortSignal,
  ) {}

  /** The masters' word, whenever it comes. @throws the signal's reason when the worker gives up asking. */
  deliver(nodeId: string, report: AttemptReport, slot?: { release(): void }): Promise<ReportOutcome> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ nodeId, report, resolve, reject, ...(slot && { slot }) });
      void this.send();
    });
  }

  private async send(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    for (let batch = this.next(); batch.length > 0; batch = this.next()) {
      try {
        await this.sendBatch(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.sending = false;
  }

  /** A request speaks for one node. */
  private next(): Waiting[] {
    const nodeId = this.waiting[0]?.nodeId;
    const batch = this.waiting.filter((each) => each.nodeId === nodeId).slice(0, MAX_TOGETHER);
    for (const each of batch) this.waiting.splice(this.waiting.indexOf(each), 1);
    return batch;
  }

  private async sendBatch(batch: Waiting[]): Promise<void> {
    const nodeId = batch[0]?.nodeId ?? this.node.id;
    const count = this.ridingCount(batch, nodeId);
    const promise = this.slots.promise(count);
    const sentAt = monotonicNow();
    const claim: RidingClaim | undefined =
      count > 0 ? { claim_id: randomUUID(), max_jobs: count } : undefined;
    const body: ReportRequest = { results: batch.map(({ report }) => report), ...(claim && { claim }) };
    try {
      const answer = await this.client.askUntilAnswered<ReportAnswer>(`/nodes/${nodeId}/report`, body, {
        timeoutMs: ASK_TIMEOUT_MS,
        signal: this.abandoned,
      });
      promise.settle();
      // In the order of the request: a batch may hold two attempts of one job.
      for (const [index, each] of batch.entries())
        this.settle(each, answer.results[index]?.outcome ?? 'stale');
      this.onClaimed(answer.jobs ?? [], nodeId, sentAt);
      this.claims.wake();
    } catch (error) {
      promise.settle();
      if (!(error instanceof MasterRefused)) throw error;
      await this.refused(batch, nodeId, error);
    }
  }

  /** The slots that these reports free, and what is free beside; none while draining or for an old node. */
  private ridingCount(batch: Waiting[], nodeId: string): number {
    if (!this.claims.isOpen || nodeId !== this.node.id) return 0;
    return batch.filter(({ slot }) => slot).length + this.slots.free;
  }

  private settle(each: Waiting, outcome: ReportOutcome): void {
    each.slot?.release();
    each.resolve(outcome);
  }

  /**
   * The node is gone: as the node that we are now, the masters still tell `duplicate` from `stale`. The key
   * is refused: an operator can mend that, so ask again. Otherwise one report spoils the others: one by
   * one, and the one that is refused alone is given up, since no repetition would change it.
   */
  private async refused(batch: Waiting[], nodeId: string, error: MasterRefused): Promise<void> {
    this.logger.error({ reason: error.message }, 'report refused');
    if (error.status === 401 || error.status === 403) {
      await delay(REFUSED_PAUSE_MS, undefined, { signal: this.abandoned });
      this.waiting.push(...batch);
    } else if (isUnknownNode(error) && nodeId === this.node.id) {
      await this.node.register();
      const same = this.node.id === nodeId;
      for (const each of batch) {
        if (same) this.settle(each, 'stale');
        else this.waiting.push({ ...each, nodeId: this.node.id });
      }
    } else if (isUnknownNode(error)) {
      this.waiting.push(...batch.map((each) => ({ ...each, nodeId: this.node.id })));
    } else if (batch.length > 1) {
      for (const each of batch) await this.sendBatch([each]);
    } else {
      for (const each of batch) this.settle(each, 'stale');
    }
  }
}
