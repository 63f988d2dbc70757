/** Jobs that a test knows: each submit has a key and is repeated, at any master, until somebody answers it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { SOON_ELSEWHERE, type Recorder } from './recorder.js';

export interface LoadOptions {
  readonly urls: () => readonly string[];
  /** Submits a second, from several teams at once. */
  readonly perSecond: number;
  /** The next job's body. */
  readonly job?: (index: number) => object;
  /** Jobs in one submit; default 1. */
  readonly batch?: number;
}

/**
 * Submits that are repeated at one time; with more the load waits. Eight a second that nobody answered for a minute, each
 * sent again every 100 ms, kept this process so busy, through which all links run, that masters never had their database back.
 */
const MOST_UNANSWERED = 100;

export class KnownLoad {
  readonly jobIds: string[] = [];
  private over = false;
  private gone = false;
  private index = 0;
  private turn = 0;
  private readonly sending = new Set<Promise<void>>();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly recorder: Recorder,
    private readonly options: LoadOptions,
  ) {}

  start(): this {
    this.running = this.run();
    return this;
  }

  /** Submits so many at once and waits until all are acknowledged. */
  async submit(count: number): Promise<string[]> {
    const before = this.jobIds.length;
    await Promise.all(Array.from({ length: count }, () => this.one()));
    return this.jobIds.slice(before);
  }

  /** No more; answers when all that were begun are acknowledged. */
  async stop(): Promise<void> {
    this.over = true;
    await this.running;
    await Promise.all(this.sending);
  }

  /** Ends at once: what nobody acknowledged is not asked again. */
  abandon(): void {
    this.over = this.gone = true;
  }

  private async run(): Promise<void> {
    const began = performance.now();
    for (let sent = 0; !this.over; sent += 1) {
      // By the clock and not by pauses, so that the rate holds on a slow machine too.
      const due = began + (sent * 1000) / this.options.perSecond;
      while (performance.now() < due && !this.over) await pause(Math.min(50, due - performance.now()));
      while (this.sending.size >= MOST_UNANSWERED && !this.over) await pause(50);
      if (this.over) break;
      const one: Promise<void> = this.one().finally(() => this.sending.delete(one));
      this.sending.add(one);
    }
  }

  private async one(): Promise<void> {
    const { job = (k) => ({ scenario: `known ${k}` }), batch = 1 } = this.options;
    const jobs = Array.from({ length: batch }, () => job((this.index += 1)));
    const key = randomUUID();
    const caller = {
      name: `team ${this.index % 8}`,
      patience: SOON_ELSEWHERE,
      url: () => {
        const urls = this.options.urls();
        const url = urls[(this.turn += 1) % urls.length];
        if (url === undefined) throw new Error('there is no master to ask');
        return url;
      },
    };
    while (!this.gone) {
      const reply = await this.recorder.submit(caller, jobs, key);
      if (reply?.status === 201) {
        const { id, jobs: made } = reply.body as { id?: string; jobs?: { id: string }[] };
        this.jobIds.push(...(made ? made.map((one) => one.id) : id === undefined ? [] : [id]));
        return;
      }
      if (reply && reply.status < 500 && reply.status !== 429)
        throw new Error(`a submit was refused with ${reply.status}: ${JSON.stringify(reply.body)}`);
      await pause(100);
    }
  }
}
