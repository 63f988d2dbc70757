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
 *   - No claim is answered empty before each of its lanes was tried: a claim that waits for nothing first
 *     has the lane heads read after its arrival, and tries what they show.
 *   - "Nothing left" is believed only if no work was announced since the statement was sent.
 *   - A worker that hung up gets no slot; what was given to it in that moment is handed back at once.
 *   - A statement that fails fails the claims that rode in it alone; a lost connection only delays them,
 *     since their ids make the repeat harmless.
 */
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Overloaded } from '../database/overloaded.js';
import { isConnectionLost } from '../database/sql-errors.js';
import { LaneDirectory } from '../jobs/lane-directory.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { NodeDirectory } from '../nodes/node-directory.js';
import type { NodeRow } from '../nodes/node-row.js';
import { nodeNotFound } from '../nodes/nodes.service.js';
import type { ClaimRequest, RidingClaim } from '../protocol/claim.js';
import { Draining } from '../signals/draining.js';
import { Signals } from '../signals/signals.js';
import {
  ClaimRepository,
  type AttemptRow,
  type LaneOffer,
  type Slot,
  type SlotRow,
} from './claim.repository.js';
import { DispatchMetrics } from './dispatch.metrics.js';
import { HeartbeatsService } from './heartbeats.service.js';
import { LaneBoard } from './lane-board.js';
import { LaneFit } from './lane-fit.js';
import { QueueDirectory } from './queue-directory.js';
import { planSlots } from './slot-planner.js';
import { WaitingClaim, type Asker } from './waiting-claim.js';

/** Claims that wait in one master; more are told to come again. A fleet of 10,000 on one master fits. */
const MAX_WAITING = 20_000;

/** Between two looks for claims whose time is over, in milliseconds. */
const EXPIRY_INTERVAL = 100;

/** A claim in its statement, with what it was offered. */
interface Rider {
  readonly claim: WaitingClaim;
  readonly lane_id: number | null;
}

@Injectable()
export class ClaimsService implements OnModuleInit, OnModuleDestroy {
  private readonly waiting = new Set<WaitingClaim>();
  private readonly board: LaneBoard;
  private readonly limited = new Set<string>();
  private readonly unsubscribe: (() => void)[] = [];
  private expiry: NodeJS.Timeout | undefined;
  private pumping = false;
  private look: Promise<void> | undefined;

  constructor(
    private readonly repository: ClaimRepository,
    private readonly nodes: NodeDirectory,
    private readonly heartbeats: HeartbeatsService,
    private readonly lanes: LaneDirectory,
    private readonly queues: QueueDirectory,
    private readonly fit: LaneFit,
    private readonly signals: Signals,
    private readonly draining: Draining,
    private readonly settings: Settings,
    private readonly metrics: DispatchMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.board = new LaneBoard((name) => this.queues.get(name));
    metrics.watchClaims(() => this.waiting.size);
  }

  onModuleInit(): void {
    this.unsubscribe.push(
      this.signals.on('lane', (key, count) => void this.announced(Number(key), count)),
      this.signals.on('queue', (name) => this.limited.delete(name) && this.pump()),
      this.signals.onResync(() => this.lookAround()),
      this.draining.onBegin(() => this.answerAll()),
    );
    this.queues.onChange(() => {
      this.board.reorder();
      this.pump();
    });
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
    const wait = 'wait_seconds' in request ? (request.wait_seconds ?? 0) * 1000 : 0;
    const claim = new WaitingClaim({
      node,
      claim_id: request.claim_id,
      wanted: request.max_jobs,
      wait,
      asker,
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
    for (const queue of queues) this.limited.delete(queue);
    this.pump();
  }

  /** Whether the jobs of a queue stay where they are: it is paused or at its limit. */
  isLimited(queue: string): boolean {
    return this.limited.has(queue) || this.queues.get(queue).paused;
  }

  private async announced(lane_id: number, count: number): Promise<void> {
    try {
      const [lane] = await this.lanes.byIds([lane_id]);
      if (!lane) return;
      this.board.add(lane, count, Date.now() * 1000);
      this.pump();
    } catch {
      // The next resync finds the lane by its head.
    }
  }

  /** At each resync: what signals did not tell. */
  private lookAround(): void {
    this.limited.clear();
    for (const claim of this.waiting) claim.full = false;
    if (this.waiting.size > 0) void this.readHeads();
    this.pump();
  }

  /** Brings the board in line with the table; a second caller during one look waits for another. */
  private async readHeads(): Promise<void> {
    while (this.look) await this.look;
    this.look = this.refresh().finally(() => (this.look = undefined));
    return this.look;
  }

  private async refresh(): Promise<void> {
    try {
      const heads = await this.repository.laneHeads();
      const lanes = new Map(
        (await this.lanes.byIds(heads.map((head) => head.lane_id))).map((lane) => [lane.id, lane]),
      );
      for (const { lane_id, head } of heads) {
        const lane = lanes.get(lane_id);
        if (lane) this.board.seen(lane, head);
      }
    } catch (error) {
      this.logger.debug({ error }, 'could not read the lane heads; the next resync tries again');
    }
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

  private plan(): Rider[] {
    const here = [...this.waiting].filter((claim) => !claim.asker.gone);
    const lanes = this.board.inOrder().filter(({ lane }) => !this.isLimited(lane.queue));
    const slots: Rider[] = planSlots<NodeRow, WaitingClaim>(
      here.filter((claim) => !claim.full),
      lanes,
      (lane, node) => this.fit.fits(lane, node),
    );
    const placed = new Set(slots.map((slot) => slot.claim));
    for (const claim of here.filter((one) => !placed.has(one))) {
      if (claim.fresh) slots.push({ claim, lane_id: null });
      else if (claim.looked) this.settle(claim, []);
    }
    return slots;
  }

  private async ride(riders: Rider[]): Promise<void> {
    const now = performance.now();
    const offered = [...new Set(riders.flatMap(({ lane_id }) => lane_id ?? []))];
    const lanes = offered.flatMap((id) => this.board.get(id) ?? []);
    const versions = new Map(lanes.map(({ lane, version }) => [lane.id, version]));
    const offers = lanes.map((lane) => ({
      lane_id: lane.lane.id,
      low_water: this.board.lowWater(lane, now),
    }));
    const claims = new Set(riders.map(({ claim }) => claim));
    for (const claim of claims) claim.riding = true;
    try {
      const rows = await this.repository.claim(
        offers,
        riders.map(asSlot),
        this.settings.workers.lease_duration,
      );
      this.learn(riders, rows, offers, versions);
      await this.answer(riders, rows);
    } catch (error) {
      await this.failed(claims, error);
    } finally {
      for (const claim of claims) claim.riding = false;
    }
  }

  /** What the statement told of the lanes. */
  private learn(riders: Rider[], rows: SlotRow[], offers: LaneOffer[], versions: Map<number, number>): void {
    const now = performance.now();
    for (const { lane_id } of offers) {
      const outcomes = rows.filter((_, index) => riders[index]?.lane_id === lane_id);
      const jobs = outcomes.flatMap(({ job }) => job ?? []);
      const last = jobs.reduce((most, job) => Math.max(most, job.position), 0);
      if (jobs.length > 0) this.board.taken(lane_id, jobs.length, last, now);
      if (outcomes.some(({ outcome }) => outcome === 'lane'))
        this.board.short(lane_id, versions.get(lane_id) ?? -1);
      if (outcomes.some(({ outcome }) => outcome === 'queue')) {
        const lane = this.board.get(lane_id);
        if (lane) this.limited.add(lane.lane.queue);
      }
    }
    this.metrics.claimed(rows);
  }

  private async answer(riders: Rider[], rows: SlotRow[]): Promise<void> {
    const byClaim = new Map<WaitingClaim, SlotRow[]>();
    riders.forEach(({ claim }, index) => {
      const row = rows[index];
      if (row) byClaim.set(claim, [...(byClaim.get(claim) ?? []), row]);
    });
    const impatient: WaitingClaim[] = [];
    for (const [claim, slots] of byClaim) {
      const wasFresh = claim.fresh;
      claim.fresh = false;
      const attempts = slots.flatMap(({ job }) => job ?? []);
      if (attempts.length > 0) this.settle(claim, attempts);
      else if (slots.some(({ outcome }) => outcome === 'again')) await this.answerAgain(claim);
      else if (slots.some(({ outcome }) => outcome === 'node' || outcome === 'full')) claim.full = true;
      if (!claim.answered && this.draining.isDraining) this.settle(claim, []);
      if (!claim.answered && !claim.patient && wasFresh) impatient.push(claim);
    }
    if (impatient.length > 0) void this.lastLook(impatient);
  }

  /**
   * For claims that do not wait: the heads are read once more, and what they show is tried. Not awaited
   * by the pump, whose next statement need not wait for it.
   */
  private async lastLook(claims: WaitingClaim[]): Promise<void> {
    for (const claim of claims) claim.looking = true;
    await this.readHeads();
    for (const claim of claims) claim.looked = true;
    this.pump();
  }

  private async answerAgain(claim: WaitingClaim): Promise<void> {
    this.settle(claim, await this.repository.findAttempts(claim.node.id, claim.claim_id));
  }

  private async failed(claims: Set<WaitingClaim>, error: unknown): Promise<void> {
    if (isConnectionLost(error)) {
      this.logger.warn({ error }, 'the connection was lost in a claim; it is repeated');
      // It may have been committed: its claims look for their attempts before they take more.
      for (const claim of claims) claim.fresh = claim.patient;
      for (const claim of claims) if (!claim.patient) this.reject(claim, error);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return;
    }
    for (const claim of claims) this.reject(claim, error);
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
    if (claim.riding || claim.answered) return;
    this.settle(claim, []);
  }

  private expire(): void {
    for (const claim of this.waiting) {
      if (!claim.patient && !claim.fresh && !claim.riding && !claim.looking) this.settle(claim, []);
    }
  }

  /** On the way out: who rides is answered by its statement, everybody else now. */
  private answerAll(): void {
    for (const claim of this.waiting) if (!claim.riding) this.settle(claim, []);
  }
}

function asSlot({ claim, lane_id }: Rider): Slot {
  return { lane_id, node_id: claim.node.id, claim_id: claim.claim_id };
}
