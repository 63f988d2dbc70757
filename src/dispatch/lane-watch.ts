import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { LaneDirectory } from '../jobs/lane-directory.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Signals } from '../signals/signals.js';
import { ClaimRepository, type LaneOffer, type PartAnswer } from './claim.repository.js';
import { LaneBoard, type BoardLane } from './lane-board.js';
import { LaneLooks } from './lane-looks.js';
import { QueueDirectory } from './queue-directory.js';

/** What was offered to a statement, with the state of the board that it was taken from. */
export interface Offer extends LaneOffer {
  readonly queue: string;
  readonly version: number;
  /** How often queues had been reopened by then. */
  readonly reopenings: number;
}

/**
 * What this master knows of the lanes: which have work, and which queues are paused or at their limit. Fed
 * by signals, by what claims find, and by a look at all lane heads.
 */
@Injectable()
export class LaneWatch implements OnModuleInit, OnModuleDestroy {
  private readonly board: LaneBoard;
  private readonly looks: LaneLooks;
  private readonly limited = new Set<string>();
  /** Of each queue, the last time it was reopened, counted in reopenings of any. */
  private readonly reopened = new Map<string, number>();
  private reopenings = 0;
  private readonly unsubscribe: (() => void)[] = [];
  private changed: () => void = () => undefined;
  private look: Promise<void> | undefined;
  private nextLook: Promise<void> | undefined;
  private soon: NodeJS.Timeout | undefined;

  constructor(
    repository: ClaimRepository,
    private readonly lanes: LaneDirectory,
    private readonly queues: QueueDirectory,
    private readonly signals: Signals,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.board = new LaneBoard((name) => this.queues.get(name));
    this.looks = new LaneLooks(repository, () => this.board.lowWaters());
  }

  onModuleInit(): void {
    this.unsubscribe.push(
      this.signals.on('lane', (key, count) => void this.announced(Number(key), count)),
      this.signals.on('queue', (name) => this.reopen([name])),
    );
    this.queues.onChange(() => {
      this.board.reorder();
      this.changed();
    });
  }

  onModuleDestroy(): void {
    for (const off of this.unsubscribe) off();
    clearTimeout(this.soon);
  }

  /** Calls `listener` whenever there may be something to claim that was not there before. */
  onChange(listener: () => void): void {
    this.changed = listener;
  }

  /** No lane is known to have work. */
  get isQuiet(): boolean {
    return this.board.size === 0;
  }

  /** The lanes that may have something to claim, best first. */
  open(): BoardLane[] {
    return this.board.inOrder().filter(({ lane }) => !this.isClosed(lane.queue));
  }

  /** These queues may have room again. */
  reopen(queues: Iterable<string>): void {
    for (const queue of queues) {
      this.limited.delete(queue);
      this.reopened.set(queue, (this.reopenings += 1));
    }
    this.changed();
  }

  /** Forgets what was only believed: at a resync, where a signal may have been lost. */
  reopenAll(): void {
    this.limited.clear();
  }

  offers(lane_ids: readonly number[]): Offer[] {
    if (this.looks.isDue) void this.readHeads();
    return lane_ids.flatMap((id) => {
      const known = this.board.get(id);
      if (!known) return [];
      const { lane, version } = known;
      const low_water = this.board.lowWater(id);
      return [{ lane_id: id, queue: lane.queue, low_water, version, reopenings: this.reopenings }];
    });
  }

  /** What a statement told of the lanes that it was offered. */
  learn(offers: readonly Offer[], rows: ReadonlyMap<number, readonly PartAnswer[]>): void {
    const short = new Set<string>();
    const refused = new Set<string>();
    for (const { lane_id, queue, low_water, version, reopenings } of offers) {
      const parts = rows.get(lane_id) ?? [];
      const jobs = parts.flatMap(({ attempts }) => attempts);
      const last = jobs.reduce((most, job) => Math.max(most, job.position), 0);
      const isShort = parts.some((part) => part.short);
      if (jobs.length > 0) this.board.taken(lane_id, low_water, jobs.length, last, isShort);
      // A job of the queue may have ended while the statement was on its way: then it is asked again.
      const isNews = (this.reopened.get(queue) ?? 0) <= reopenings;
      if (isNews && parts.some((part) => part.refused)) refused.add(queue);
      if (isShort) {
        short.add(queue);
        if (this.board.short(lane_id, version)) this.lookSoon();
      }
    }
    // Slots that found no job counted towards the queue's limit, so beside them a refusal says nothing.
    for (const queue of refused) if (!short.has(queue)) this.limited.add(queue);
  }

  /**
   * Brings the board in line with the table, by a look that began after this call: one look is in flight,
   * and all who ask meanwhile share the next. Lanes are read from their beginning unless that took long.
   */
  readHeads(): Promise<void> {
    if (!this.look) return (this.look = this.lookNow());
    this.nextLook ??= this.look.then(() => {
      this.nextLook = undefined;
      return (this.look = this.lookNow());
    });
    return this.nextLook;
  }

  /** At the whole lanes, as soon as that may be. */
  private lookSoon(): void {
    if (this.soon) return;
    this.soon = setTimeout(() => {
      this.soon = undefined;
      void this.readHeads();
    }, this.looks.mayBeIn);
    this.soon.unref();
  }

  private lookNow(): Promise<void> {
    return this.refresh().finally(() => (this.look = undefined));
  }

  private async refresh(): Promise<void> {
    try {
      const before = this.board.versions();
      const { heads, whole } = await this.looks.read();
      const lanes = await this.lanes.byIds(heads.map((head) => head.lane_id));
      const byId = new Map(lanes.map((lane) => [lane.id, lane]));
      for (const { lane_id, head } of heads) {
        const lane = byId.get(lane_id);
        if (lane) this.board.seen(lane, head);
      }
      // Others took what was announced here, where no claim of this master fits.
      if (whole) for (const { lane_id } of heads) before.delete(lane_id);
      if (whole) for (const [id, version] of before) this.board.gone(id, version);
    } catch (error) {
      this.logger.debug({ err: error }, 'could not read the lane heads; the next resync tries again');
    }
    this.changed();
  }

  private async announced(lane_id: number, count: number): Promise<void> {
    try {
      const [lane] = await this.lanes.byIds([lane_id]);
      if (!lane) return;
      this.board.add(lane, count, Date.now() * 1000);
      this.changed();
    } catch {
      // The next resync finds the lane by its head.
    }
  }

  private isClosed(queue: string): boolean {
    return this.limited.has(queue) || this.queues.get(queue).paused;
  }
}
