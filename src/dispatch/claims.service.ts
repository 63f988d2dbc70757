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
 *   - The same claim id gets the same attempts: every claim rides in a statement at its arrival, in the claim's or,
 *     where no lane fits anybody in the group, in a small one; either looks for leases of its id under the node's counter.
 *     What another master answers later is found at a resync (`AnsweredElsewhere`).
 *   - No claim is answered empty before each of its lanes was tried: when its time is over the lane heads
 *     are read once more, and it goes on for as long as an open lane fits it.
 *   - "Nothing left" is believed only if no work was announced since the statement was sent.
 *   - A master that drains gives nothing new, and looks up each claim that it has not looked up yet: an empty answer to
 *     a repeat would leave the attempts of the first to their leases.
 *   - A worker that hung up gets no slot; what was given to it in that moment is handed back at once.
 *   - A statement that fails is repeated claim by claim, so that only the guilty gets the error; a lost connection
 *     only delays them, since their ids make the repeat harmless.
 */
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import { Settings } from '../config/settings.js';
import { Overloaded } from '../database/overloaded.js';
import { MAX_LOCK_TIMEOUTS, mayBeOneMembersFault } from '../database/grouped.js';
import { isConnectionLost, isLockTimeout } from '../database/sql-errors.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { NodeDirectory } from '../nodes/node-directory.js';
import type { NodeRow } from '../nodes/node-row.js';
import { nodeNotFound } from '../nodes/nodes.service.js';
import type { ClaimRequest, RidingClaim } from '../protocol/claim.js';
import { Draining } from '../signals/draining.js';
import { Signals } from '../signals/signals.js';
import { ArrivalsRepository } from './arrivals.repository.js';
import { AnsweredElsewhere } from './answered-elsewhere.js';
import { byKey, nodesWithUnusedRoom, type Part } from './claim-parts.js';
import { ClaimRepository, type AttemptRow, type PartAnswer } from './claim.repository.js';
import { Deadlines } from './deadlines.js';
import { DispatchMetrics } from './dispatch.metrics.js';
import { HeartbeatsService } from './heartbeats.service.js';
import { LaneFit } from './lane-fit.js';
import { LaneWatch, type Offer } from './lane-watch.js';
import { ParkedClaims } from './parked-claims.js';
import { MAX_SLOTS, planSlots } from './slot-planner.js';
import { WaitingClaim, type Asker } from './waiting-claim.js';

/** Claims that wait in one master; more are told to come again. A fleet of 10,000 on one master fits. */
const MAX_WAITING = 20_000;

/**
 * Milliseconds until it is asked whether claims that park were answered before, for those that come meanwhile too.
 * Nobody waits for that: such a claim is answered when there is work, and new work takes it along at once.
 */
const LOOK_UP_AFTER = 50;

/** Before a statement whose connection was lost is tried again, in milliseconds. */
const RETRY_AFTER = 200;

@Injectable()
export class ClaimsService implements OnModuleInit, OnModuleDestroy {
  private readonly unsubscribe: (() => void)[] = [];
  private readonly deadlines = new Deadlines((claims) => this.expired(claims));
  private readonly elsewhere: AnsweredElsewhere;
  private arrived = 0;
  private pumping = false;
  private lookUps: NodeJS.Timeout | undefined;
  private lookUpsDue = false;
  private failing = false;

  constructor(
    private readonly repository: ClaimRepository,
    private readonly arrivals: ArrivalsRepository,
    private readonly parked: ParkedClaims,
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
    this.elsewhere = new AnsweredElsewhere(arrivals, parked);
    metrics.watchClaims(() => this.parked.size);
  }

  onModuleInit(): void {
    this.lanes.onChange(() => this.pump());
    this.nodes.onChange((node) => this.follow(node));
    this.unsubscribe.push(
      ...this.elsewhere.listen(this.signals),
      this.signals.onResync(() => this.lookAround()),
      this.draining.onBegin(() => this.answerKnown()),
    );
  }

  onModuleDestroy(): void {
    for (const off of this.unsubscribe) off();
    this.answerAll();
    clearTimeout(this.lookUps);
    this.deadlines.clear();
  }

  /**
   * Answers up to `max_jobs` attempts, or none after `wait_seconds`. 404 for a node that is not there.
   * @param lease where it is not `workers.lease_duration`
   */
  async claim(
    node_id: string,
    request: ClaimRequest | RidingClaim,
    asker: Asker,
    lease?: Milliseconds,
  ): Promise<AttemptRow[]> {
    let node = this.nodes.peek(node_id) ?? (await this.nodes.get(node_id));
    if (!node) throw nodeNotFound();
    // A node that claims is there, whatever its heartbeats did.
    if (node.status === 'offline') {
      await this.heartbeats.beat(node_id, { attempts: [] });
      node = this.nodes.peek(node_id) ?? node;
    }
    if (this.parked.size >= MAX_WAITING) {
      throw new Overloaded(`${MAX_WAITING} claims wait at this master already; try again shortly.`);
    }
    const claim = new WaitingClaim({
      node,
      asker,
      arrival: (this.arrived += 1),
      claim_id: request.claim_id,
      max_jobs: request.max_jobs,
      lease,
      wait: 'wait_seconds' in request && !this.draining.isDraining ? (request.wait_seconds ?? 0) * 1000 : 0,
    });
    // A repeat beside its first: that one's connection is gone, whatever a balancer keeps open. One that rides may
    // be answered yet, and the repeat finds that by its id.
    const before = this.parked.find(node_id, request.claim_id);
    if (before && !before.riding) this.settle(before, []);
    this.parked.add(claim);
    // One that does not wait is answered by its first statement.
    if (claim.patient) this.deadlines.add(claim);
    asker.onGone(() => this.forget(claim));
    this.pump();
    return claim.answer;
  }

  /** A submit gave this claim a job. */
  give(claim: WaitingClaim, attempt: AttemptRow): void {
    claim.riding = false;
    this.metrics.handedOver();
    this.settle(claim, [attempt]);
  }

  /** A claim that was kept for a submit waits again. */
  resume(claim: WaitingClaim): void {
    claim.riding = false;
    const known = !this.parked.fresh.has(claim);
    if (claim.asker.gone || (this.draining.isDraining && known)) this.settle(claim, []);
    else this.pump();
  }

  /** The attempts that this claim was given were handed back. */
  async forgetAnswer(node_id: string, claim_id: string): Promise<void> {
    await this.repository.forget(node_id, claim_id);
  }

  /** Attempts have ended: their nodes have room again, their queues perhaps too. */
  freed(node_ids: ReadonlySet<string>, queues: Iterable<string>): void {
    for (const claim of this.parked) {
      if (!node_ids.has(claim.node.id)) continue;
      Object.assign(claim, { full: false, freed: true });
    }
    this.lanes.reopen(queues);
  }

  /** A node drains, was resumed, or registered anew, perhaps at another master. */
  private follow(node: NodeRow): void {
    const claims = this.parked.refile(node);
    for (const claim of claims) Object.assign(claim, { full: false, freed: true });
    if (claims.length > 0) this.pump();
  }

  /** At each resync: what signals did not tell. */
  private lookAround(): void {
    this.lanes.reopenAll();
    for (const claim of this.parked) Object.assign(claim, { full: false, freed: true });
    if (this.parked.size > 0) void this.lanes.readHeads();
    this.pump();
    void this.elsewhere.look().then((claims) => {
      for (const claim of claims) if (!claim.answered && !claim.riding) void this.answerAgain(claim);
    });
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
      for (let parts = this.plan(); parts.length > 0; parts = this.plan()) await this.ride(parts);
    } finally {
      this.pumping = false;
    }
  }

  /** What rides in the next statement; answers, on the way, claims whose time is over and that no lane fits. */
  private plan(): Part[] {
    const { isDraining } = this.draining;
    const open = isDraining ? [] : this.lanes.open();
    const parts: Part[] = planSlots(this.parked.groups(), open, (lane, { node }) =>
      this.fit.fits(lane, node),
    );
    const placed = new Set(parts.map(({ claim }) => claim));
    const unknown = [...this.parked.fresh].filter((claim) => !placed.has(claim) && !claim.riding);
    const waitForNothing = this.lookUpsDue || isDraining || unknown.some((claim) => !claim.patient);
    if (parts.length > 0 || waitForNothing) {
      this.lookUpsDue = false;
      for (const claim of unknown.slice(0, Math.max(0, MAX_SLOTS - parts.length)))
        parts.push({ claim, lane_id: null, wanted: 0 });
    } else if (unknown.length > 0) this.lookUpSoon();
    for (const claim of this.parked.over) {
      if (placed.has(claim) || claim.riding || this.parked.fresh.has(claim)) continue;
      if (claim.full || !open.some(({ lane }) => this.fit.fits(lane, claim.node))) this.settle(claim, []);
    }
    return parts;
  }

  private lookUpSoon(): void {
    this.lookUps ??= setTimeout(() => {
      this.lookUps = undefined;
      this.lookUpsDue = true;
      this.pump();
    }, LOOK_UP_AFTER);
  }

  /** Answers what went wrong, if anything did; the claims know it by then. */
  private async ride(parts: readonly Part[]): Promise<unknown> {
    const offers = this.lanes.offers([...new Set(parts.flatMap(({ lane_id }) => lane_id ?? []))]);
    const claims = new Set(parts.map(({ claim }) => claim));
    for (const claim of claims) Object.assign(claim, { riding: true, freed: false });
    try {
      const answers = await this.ask(offers, parts);
      this.failing = false;
      if (offers.length > 0)
        this.metrics.claimed(
          answers,
          parts.map(({ wanted }) => wanted),
        );
      this.passOn(parts, answers);
      this.lanes.learn(
        offers,
        byKey(parts, answers, ({ lane_id }) => lane_id ?? 0),
      );
      this.answer(byKey(parts, answers, ({ claim }) => claim));
    } catch (error) {
      this.metrics.claimFailed();
      await this.failed(parts, claims, error);
      return error;
    } finally {
      for (const claim of claims) claim.riding = false;
    }
  }

  /** Where no lane is offered there is nothing to take: only whether the claims were answered before. */
  private async ask(offers: readonly Offer[], parts: readonly Part[]): Promise<PartAnswer[]> {
    const asked = parts.map(({ claim, lane_id, wanted }) => ({
      lane_id,
      node_id: claim.node.id,
      claim_id: claim.claim_id,
      wanted,
      lease: claim.lease,
    }));
    if (offers.length > 0) return this.repository.claim(offers, asked, this.settings.workers.lease_duration);
    const arrivals = await this.arrivals.look(asked);
    return arrivals.map((arrival) => ({
      ...arrival,
      full: false,
      refused: false,
      short: false,
      attempts: [],
    }));
  }

  /** Jobs that claims of this master were expected to take, and could not: others may. */
  private passOn(parts: readonly Part[], answers: readonly PartAnswer[]): void {
    const left = new Map<number, number>();
    parts.forEach(({ lane_id, wanted }, index) => {
      const answer = answers[index];
      if (lane_id === null || !answer || answer.short || answer.refused) return;
      const missing = wanted - answer.attempts.length;
      if (missing > 0) left.set(lane_id, (left.get(lane_id) ?? 0) + missing);
    });
    for (const [lane_id, count] of left) this.signals.sendElsewhere('lane', String(lane_id), count);
  }

  private answer(answers: ReadonlyMap<WaitingClaim, readonly PartAnswer[]>): void {
    const over: WaitingClaim[] = [];
    const unsure = nodesWithUnusedRoom(answers);
    for (const [claim, parts] of answers) {
      this.parked.fresh.delete(claim);
      claim.riding = false;
      const attempts = parts.flatMap((part) => part.attempts);
      const again = parts.some((part) => part.again);
      if (attempts.length > 0) this.settle(claim, attempts);
      else if (again) void this.answerAgain(claim);
      else if (parts.some((part) => !part.able)) claim.full = !claim.freed;
      else if (parts.some((part) => part.full)) claim.full = !claim.freed && !unsure.has(claim.node.id);
      if (claim.answered || again) continue;
      // It may have hung up while it rode: nobody would tell of that again.
      if (this.draining.isDraining || claim.asker.gone) this.settle(claim, []);
      else if (!claim.patient) over.push(claim);
    }
    this.lookOnceMore(over);
  }

  /** Not awaited by the pump: whoever rode along need not wait for it. */
  private async answerAgain(claim: WaitingClaim): Promise<void> {
    this.unpark(claim);
    try {
      const { lease_duration } = this.settings.workers;
      this.settle(claim, await this.arrivals.answerAgain(claim.node.id, claim.claim_id, lease_duration));
    } catch (error) {
      this.reject(claim, error);
    }
  }

  private async failed(
    parts: readonly Part[],
    claims: ReadonlySet<WaitingClaim>,
    error: unknown,
  ): Promise<void> {
    if (isConnectionLost(error)) return this.lost(claims, error);
    if (claims.size > 1 && (mayBeOneMembersFault(error) || isLockTimeout(error))) {
      return this.rideOneByOne(parts, claims);
    }
    for (const claim of claims) this.reject(claim, error);
  }

  /** Until too many wait in vain for a lock: those that are left are told the same. */
  private async rideOneByOne(parts: readonly Part[], claims: ReadonlySet<WaitingClaim>): Promise<void> {
    let lockTimeouts = 0;
    for (const one of claims) {
      const error = await this.ride(parts.filter(({ claim }) => claim === one));
      if (isLockTimeout(error)) lockTimeouts += 1;
      if (lockTimeouts < MAX_LOCK_TIMEOUTS) continue;
      for (const claim of claims) if (!claim.answered && claim.riding) this.reject(claim, error);
      return;
    }
  }

  /** It may have been committed: a claim that still has time first looks for its attempts again. */
  private async lost(claims: ReadonlySet<WaitingClaim>, error: unknown): Promise<void> {
    for (const claim of claims) {
      if (claim.patient && !this.draining.isDraining) this.parked.fresh.add(claim);
      else this.reject(claim, error);
    }
    if (!this.failing) this.logger.warn({ err: error }, 'the connection was lost in a claim; it is repeated');
    this.failing = true;
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER));
  }

  /** Of one that never rode its first statement will find that its time is over. */
  private expired(claims: readonly WaitingClaim[]): void {
    const known = claims.filter((claim) => !this.parked.fresh.has(claim));
    if (!this.elsewhere.mayBe) return this.lookOnceMore(known);
    for (const claim of known) this.parked.fresh.add(claim);
    this.pump();
  }

  /** Claims whose time is over get a last look at the lane heads. */
  private lookOnceMore(claims: readonly WaitingClaim[]): void {
    const over = claims.filter((claim) => !claim.looking);
    if (over.length === 0) return;
    for (const claim of over) claim.looking = true;
    void this.lanes.readHeads().then(() => {
      for (const claim of over) if (!claim.answered) this.parked.over.add(claim);
      this.pump();
    });
  }

  private settle(claim: WaitingClaim, attempts: AttemptRow[]): void {
    this.unpark(claim);
    claim.give(attempts);
  }

  private unpark(claim: WaitingClaim): void {
    this.parked.remove(claim);
    this.deadlines.remove(claim);
  }

  private reject(claim: WaitingClaim, error: unknown): void {
    this.unpark(claim);
    claim.fail(error);
  }

  /** Whoever asked hung up. A claim in flight is answered all the same; the controller hands its jobs back. */
  private forget(claim: WaitingClaim): void {
    if (!claim.riding && !claim.answered) this.settle(claim, []);
  }

  /**
   * On the way out: who rides is answered by its statement, and who never rode by a last one, which gives nothing new:
   * it may be the repeat of a claim whose answer got lost.
   */
  private answerKnown(): void {
    for (const claim of this.parked)
      if (!claim.riding && !this.parked.fresh.has(claim)) this.settle(claim, []);
    this.pump();
  }

  /** At the very end, when nobody is on the line any more. */
  private answerAll(): void {
    for (const claim of this.parked) if (!claim.riding) this.settle(claim, []);
  }
}
