/**
 * The claim: how waiting jobs and waiting workers find each other.
 *
 * A claim that arrives waits in this master, in the order of arrival, until it has jobs or its time is
 * over; a waiting claim costs no database session. What it waits for is the lane board: which lanes have
 * work, fed by signals and by a look at all lane heads at each resync. When a lane on the board fits a
 * waiting claim, one statement takes for as many claims as there is work for; one is in flight at a
 * time, and what comes meanwhile rides in the next. A signal thus answers as many claims as there are
 * jobs, and wakes nobody for nothing.
 *
 *     arrives ──▶ waiting ──a lane fits──▶ riding ──jobs──▶ answered
 *                    ▲                        │
 *                    └──────── none ──────────┘──no time left──▶ answered empty
 *
 * What holds, and why:
 *   - The same claim id gets the same attempts: every claim rides in one statement at its arrival, with a
 *     lane or without, because that statement looks for leases of its id under the node's counter.
 *   - No claim is answered empty before each of its lanes was tried: when its time is over the lane heads
 *     are read once more, and it goes on for as long as an open lane fits it.
 *   - "Nothing left" is believed only if no work was announced since the statement was sent.
 *   - A worker that hung up gets no slot; what was given to it in that moment is handed back at once.
 *   - A statement that fails fails the claims that rode in it alone; a lost connection only delays them,
 *     since their ids make the repeat harmless.
 */
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Overloaded } from '../database/overloaded.js';
import { isConnectionLost } from '../database/sql-errors.js';
import type { Lane } from '../jobs/lanes.repository.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { NodeDirectory } from '../nodes/node-directory.js';
import type { NodeRow } from '../nodes/node-row.js';
import { nodeNotFound } from '../nodes/nodes.service.js';
import type { ClaimRequest, RidingClaim } from '../protocol/claim.js';
import { Draining } from '../signals/draining.js';
import { Signals } from '../signals/signals.js';
import { ClaimRepository, type AttemptRow, type SlotRow } from './claim.repository.js';
import { DispatchMetrics } from './dispatch.metrics.js';
import { HeartbeatsService } from './heartbeats.service.js';
import { LaneFit } from './lane-fit.js';
import { LaneWatch } from './lane-watch.js';
import { MAX_SLOTS, planSlots } from './slot-planner.js';
import { WaitingClaim, type Asker } from './waiting-claim.js';

/** Claims that wait in one master; more are told to come again. A fleet of 10,000 on one master fits. */
const MAX_WAITING = 20_000;

/** Between two looks for claims whose time is over, in milliseconds. */
const EXPIRY_INTERVAL = 100;

/** Before a statement whose connection was lost is tried again, in milliseconds. */
const RETRY_AFTER = 200;

/** A claim in its statement, with what it was offered. */
interface Rider {
  readonly claim: WaitingClaim;
  readonly lane_id: number | null;
}

@Injectable()
export class ClaimsService implements OnModuleInit, OnModuleDestroy {
  /** In the order of arrival. */
  private readonly waiting = new Set<WaitingClaim>();
  private readonly unsubscribe: (() => void)[] = [];
  private expiry: NodeJS.Timeout | undefined;
  private arrivals = 0;
  private pumping = false;
  private failing = false;

  constructor(
    private readonly repository: ClaimRepository,
    private readonly lanes: LaneWatch,
    private readonly nodes: NodeDirectory,
    private readonly heartbeats: HeartbeatsService,
    private readonly fit: LaneFit,
    private readonly signals: Signals,
    private readonly draining: Draining,
    private readonly settings: Settings,
    private readonly metrics: DispatchMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    metrics.watchClaims(() => this.waiting.size);
  }

  onModuleInit(): void {
    this.lanes.onChange(() => this.pump());
    this.unsubscribe.push(
      this.signals.onResync(() => this.lookAround()),
      this.draining.onBegin(() => this.answerAll()),
    );
    this.expiry = setInterval(() => this.expire(), EXPIRY_INTERVAL);
    this.expiry.unref();
  }

  onModuleDestroy(): void {
    for (const off of this.unsubscribe) off();
    clearInterval(this.expiry);
    this.answerAll();
  }

  /** Answers up to `max_jobs` attempts, or none after `wait_seconds`. 404 for a node that is not there. */
  async claim(node_id: string, request: ClaimRequest | RidingClaim, asker: Asker): Promise<AttemptRow[]> {
    const node = await this.nodes.get(node_id);
    if (!node) throw nodeNotFound();
    if (this.draining.isDraining) return [];
    // A node that claims is there, whatever its heartbeats did.
    if (node.status === 'offline') await this.heartbeats.beat(node_id, { attempts: [] });
    if (this.waiting.size >= MAX_WAITING) {
      throw new Overloaded(`${MAX_WAITING} claims wait at this master already; try again shortly.`);
    }
    const claim = new WaitingClaim({
      node,
      asker,
      arrival: (this.arrivals += 1),
      claim_id: request.claim_id,
      wanted: request.max_jobs,
      wait: 'wait_seconds' in request ? (request.wait_seconds ?? 0) * 1000 : 0,
    });
    this.waiting.add(claim);
    asker.onGone(() => this.forget(claim));
    this.pump();
    return claim.answer;
  }

  /** The attempts that this claim was given were handed back. */
  async forgetAnswer(node_id: string, claim_id: string): Promise<void> {
    await this.repository.forget(node_id, claim_id);
  }

  /** Attempts have ended: their nodes have room again, their queues perhaps too. */
  freed(node_ids: ReadonlySet<string>, queues: Iterable<string>): void {
    for (const claim of this.waiting) if (node_ids.has(claim.node.id)) claim.full = false;
    this.lanes.reopen(queues);
  }

  /** At each resync: what signals did not tell. */
  private lookAround(): void {
    this.lanes.reopenAll();
    for (const claim of this.waiting) claim.full = false;
    if (this.waiting.size > 0) void this.lanes.readHeads();
    this.pump();
  }

  /** Sends statements for as long as there is something to try. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    // In a microtask: claims that arrive in one turn of the event loop share the statement.
    queueMicrotask(() => void this.pumpUntilIdle());
  }

  private async pumpUntilIdle(): Promise<void> {
    try {
      for (let riders = this.plan(); riders.length > 0; riders = this.plan()) await this.ride(riders);
    } finally {
      this.pumping = false;
    }
  }

  /** Who rides in the next statement; answers, on the way, claims whose time is over and that no lane fits. */
  private plan(): Rider[] {
    const open = this.lanes.open();
    const fits = (lane: Lane, node: NodeRow) => this.fit.fits(lane, node);
    const applicants = [...this.waiting].map((claim) => ({
      claim,
      node: claim.node,
      arrival: claim.arrival,
      wanted: claim.full || claim.asker.gone ? 0 : claim.wanted,
    }));
    const riders: Rider[] = planSlots<NodeRow, (typeof applicants)[number]>(applicants, open, fits).map(
      ({ claim: { claim }, lane_id }) => ({ claim, lane_id }),
    );
    const placed = new Set(riders.map(({ claim }) => claim));
    for (const claim of this.waiting) {
      if (placed.has(claim)) continue;
      if (claim.fresh && riders.length < MAX_SLOTS) riders.push({ claim, lane_id: null });
      else if (claim.looked && (claim.full || !open.some(({ lane }) => fits(lane, claim.node)))) {
        this.settle(claim, []);
      }
    }
    return riders;
  }

  private async ride(riders: Rider[]): Promise<void> {
    const offers = this.lanes.offers([...new Set(riders.flatMap(({ lane_id }) => lane_id ?? []))]);
    const claims = new Set(riders.map(({ claim }) => claim));
    for (const claim of claims) claim.riding = true;
    try {
      const rows = await this.repository.claim(
        offers,
        riders.map(({ claim, lane_id }) => ({ lane_id, node_id: claim.node.id, claim_id: claim.claim_id })),
        this.settings.workers.lease_duration,
      );
      this.failing = false;
      this.metrics.claimed(rows);
      this.lanes.learn(
        offers,
        groupRows(riders, rows, ({ lane_id }) => lane_id ?? 0),
      );
      this.answer(groupRows(riders, rows, ({ claim }) => claim));
    } catch (error) {
      await this.failed(claims, error);
    } finally {
      for (const claim of claims) claim.riding = false;
    }
  }

  private answer(rows: ReadonlyMap<WaitingClaim, readonly SlotRow[]>): void {
    for (const [claim, slots] of rows) {
      claim.fresh = false;
      const attempts = slots.flatMap(({ job }) => job ?? []);
      const is = (outcome: SlotRow['outcome']) => slots.some((slot) => slot.outcome === outcome);
      if (attempts.length > 0) this.settle(claim, attempts);
      else if (is('again')) void this.answerAgain(claim);
      // Slots that found no job counted towards the node's room, so beside them a full node says nothing.
      else if (!is('lane') && (is('node') || is('full'))) claim.full = true;
      if (!claim.answered && this.draining.isDraining) this.settle(claim, []);
    }
    this.expire();
  }

  /** Not awaited by the pump: whoever rode along need not wait for it. */
  private async answerAgain(claim: WaitingClaim): Promise<void> {
    this.waiting.delete(claim);
    try {
      this.settle(claim, await this.repository.findAttempts(claim.node.id, claim.claim_id));
    } catch (error) {
      this.reject(claim, error);
    }
  }

  private async failed(claims: Set<WaitingClaim>, error: unknown): Promise<void> {
    const isLost = isConnectionLost(error);
    for (const claim of claims) {
      // It may have been committed: a claim that still has time first looks for its attempts again.
      if (isLost && claim.patient) claim.fresh = true;
      else this.reject(claim, error);
    }
    if (!isLost) return;
    if (!this.failing) this.logger.warn({ err: error }, 'the connection was lost in a claim; it is repeated');
    this.failing = true;
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER));
  }

  /** Gives claims whose time is over a last look. */
  private expire(): void {
    const over = [...this.waiting].filter((claim) => !claim.patient && !claim.fresh && !claim.looking);
    if (over.length === 0) return;
    for (const claim of over) claim.looking = true;
    void this.lanes.readHeads().then(() => {
      for (const claim of over) claim.looked = true;
      this.pump();
    });
  }

  private settle(claim: WaitingClaim, attempts: AttemptRow[]): void {
    this.waiting.delete(claim);
    claim.give(attempts);
  }

  private reject(claim: WaitingClaim, error: unknown): void {
    this.waiting.delete(claim);
    claim.fail(error);
  }

  /** Whoever asked hung up. A claim in flight is answered all the same; the controller hands its jobs back. */
  private forget(claim: WaitingClaim): void {
    if (!claim.riding && !claim.answered) this.settle(claim, []);
  }

  /** On the way out: who rides is answered by its statement, everybody else now. */
  private answerAll(): void {
    for (const claim of this.waiting) if (!claim.riding) this.settle(claim, []);
  }
}

/** The rows of a statement, by what their riders have in common. */
function groupRows<Key>(
  riders: readonly Rider[],
  rows: readonly SlotRow[],
  key: (rider: Rider) => Key,
): Map<Key, SlotRow[]> {
  const groups = new Map<Key, SlotRow[]>();
  riders.forEach((rider, index) => {
    const row = rows[index];
    const group = groups.get(key(rider));
    if (row && group) group.push(row);
    else if (row) groups.set(key(rider), [row]);
  });
  return groups;
}
