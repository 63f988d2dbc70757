/**
 * Asks for work while slots are free. Each claim is parked at a master until there is work; a slot that
 * comes free meanwhile starts a claim of its own rather than break one that may just be answered.
 * A claim whose answer was lost is asked again with the same claim_id and so gets the same attempts.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ClaimAnswer, ClaimedAttempt, ClaimRequest } from '../protocol/claim.js';
import { monotonicNow } from './lease-clock.js';
import type { MasterClient } from './master-client.js';
import { isUnknownNode, type NodeIdentity } from './node-identity.js';
import type { Slots } from './slots.js';

export type OnClaimed = (jobs: readonly ClaimedAttempt[], nodeId: string, sentAt: number) => void;

/** A master that answers at once and empty is draining, or a proxy cuts the wait: do not spin on it. */
const SHORTEST_ROUND_MS = 500;
const GRACE_MS = 10_000;
const REFUSED_PAUSE_MS = 5_000;

export class ClaimLoop {
  private draining = false;
  private readonly polls = new Set<Promise<void>>();

  constructor(
    private readonly client: MasterClient,
    private readonly node: NodeIdentity,
    private readonly slots: Slots,
    private readonly waitSeconds: number,
    private readonly onClaimed: OnClaimed,
    private readonly logger: Logger,
    /** Aborts parked claims: the master sees the cut and gives the job to another. */
    private readonly stopped: AbortSignal,
  ) {}

  get isOpen(): boolean {
    return !this.draining && !this.stopped.aborted;
  }

  setDraining(draining: boolean): void {
    this.draining = draining;
    this.wake();
  }

  /** Called whenever a slot may have come free. */
  wake(): void {
    const count = this.slots.free;
    if (!this.isOpen || count === 0) return;
    const poll = this.poll(count)
      .catch((error: unknown) => {
        if (!this.stopped.aborted) this.logger.error({ reason: (error as Error).message }, 'claim failed');
      })
      .finally(() => {
        this.polls.delete(poll);
        this.wake();
      });
    this.polls.add(poll);
  }

  async end(): Promise<void> {
    await Promise.all(this.polls);
  }

  private async poll(count: number): Promise<void> {
    const promise = this.slots.promise(count);
    const sentAt = monotonicNow();
    const claim: ClaimRequest = { claim_id: randomUUID(), max_jobs: count, wait_seconds: this.waitSeconds };
    const nodeId = this.node.id;
    try {
      const { jobs } = await this.client.askUntilAnswered<ClaimAnswer>(`/nodes/${nodeId}/claim`, claim, {
        timeoutMs: this.waitSeconds * 1000 + GRACE_MS,
        signal: this.stopped,
      });
      // The slots stay promised through the pause, or another claim would go out for them at once.
      if (jobs.length === 0) return await this.pause(SHORTEST_ROUND_MS - (monotonicNow() - sentAt));
      promise.settle();
      this.onClaimed(jobs, nodeId, sentAt);
    } catch (error) {
      if (isUnknownNode(error)) return await this.node.register();
      await this.pause(REFUSED_PAUSE_MS);
      throw error;
    } finally {
      promise.settle();
    }
  }

  private async pause(ms: number): Promise<void> {
    if (ms > 0) await delay(ms, undefined, { signal: this.stopped }).catch(() => undefined);
  }
}
