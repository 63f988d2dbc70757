/**
 * A worker without ffmpeg whose every call is recorded: it keeps the worker protocol as ours does (the same claim id
 * and the same report again after an unknown outcome, lease seconds from the moment of sending, nothing more of an
 * attempt that is lost), over whatever links a test puts in its way.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClaimedAttempt } from '../../../src/protocol/claim.js';
import type { AttemptReport } from '../../../src/protocol/report.js';
import { registration } from '../../support/registration.js';
import { SOON_ELSEWHERE, type Caller, type Recorder } from './recorder.js';

/** What a worker reports of an attempt's end. */
export type Ending = Pick<AttemptReport, 'status' | 'error' | 'failure_reason'>;

export interface KnownWorkerOptions {
  readonly name: string;
  readonly slots: number;
  /** The masters to ask, looked at for each request. */
  readonly urls: () => readonly string[];
  /** True: another master for each request, as behind a balancer. Else the next one only after a failure. */
  readonly roams?: boolean;
  readonly queues?: readonly string[];
  /** Milliseconds of work an attempt takes. */
  readonly workMs: () => number;
  /** How an attempt ends; default `completed`. */
  readonly ends?: () => Ending;
  /**
   * True: it always has two claims on their way, each for twice its slots, as a node whose own count is wrong. Only
   * masters can keep it to its slots. With `roams` the two are at different masters.
   */
  readonly greedy?: boolean;
  /** Milliseconds between two heartbeats. */
  readonly heartbeatMs: number;
  readonly waitSeconds?: number;
}

interface Running {
  readonly job_id: string;
  readonly lease_token: number;
  /** Until when its lease holds, by this worker's monotonic clock. */
  holdsUntil: number;
  readonly doneAt: number;
  lost: boolean;
}

/** Milliseconds. */
const RETRY_AFTER = 100;

/**
 * For so long a master that said nothing gets no requests, in milliseconds, as behind a balancer that checks health: a
 * third of all that wait 2.5 s in vain leave three workers with less than a job a second.
 */
const PASSED_OVER_FOR = 5_000;

export class KnownWorker {
  readonly nodeIds: string[] = [];
  /** Attempts that this worker gave up because it was told, or had to assume, that they are lost. */
  abandoned = 0;
  private turn = 0;
  /** Masters that said nothing, by their address, until when they are passed over. */
  private readonly silent = new Map<string, number>();
  private node = '';
  private stopping = false;
  private gone = false;
  private frozen: { promise: Promise<void>; thaw: () => void } | undefined;
  private readonly instance = randomUUID();
  private readonly running = new Set<Running>();
  private readonly caller: Caller;
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly recorder: Recorder,
    readonly options: KnownWorkerOptions,
  ) {
    this.caller = {
      name: options.name,
      patience: SOON_ELSEWHERE,
      url: () => this.url(),
      heardNothing: (url) => void this.silent.set(url, performance.now() + PASSED_OVER_FOR),
    };
  }

  start(): void {
    this.work = Promise.all([this.claims(), this.heartbeats()]);
  }

  /** Takes nothing more, finishes what runs, and answers then. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.work;
  }

  /** Ends at once, as by kill -9: what runs is left to its lease. */
  abandon(): void {
    this.stopping = this.gone = true;
    this.running.clear();
    this.thaw();
  }

  /** Does nothing and asks nobody until `thaw`, as by SIGSTOP; what is on its way goes on. */
  freeze(): void {
    if (this.frozen) return;
    let thaw = () => undefined as void;
    const promise = new Promise<void>((resolve) => (thaw = resolve));
    this.frozen = { promise, thaw };
  }

  thaw(): void {
    this.frozen?.thaw();
    this.frozen = undefined;
  }

  /** How many attempts it runs. */
  get busy(): number {
    return this.running.size;
  }

  private async register(): Promise<void> {
    const { name, slots, queues } = this.options;
    const body = registration(name, slots, { instance_id: this.instance, ...(queues && { queues }) });
    const reply = await this.untilAnswered(() =>
      this.recorder.post<{ id: string }>(this.caller, '/nodes', body),
    );
    if (reply === undefined) return;
    this.node = reply.body.id;
    this.nodeIds.push(this.node);
  }

  private async claims(): Promise<void> {
    await this.register();
    const { slots, greedy = false } = this.options;
    if (greedy) {
      const wants = () => 2 * slots;
      await Promise.all([this.claimAgainAndAgain(wants), this.claimAgainAndAgain(wants)]);
    } else await this.claimAgainAndAgain(() => slots - this.running.size);
    while (this.running.size > 0) await pause(5);
  }

  private async claimAgainAndAgain(wants: () => number): Promise<void> {
    while (!this.stopping) {
      const wanted = wants();
      if (wanted > 0) await this.claimOnce(wanted);
      else await pause(5);
    }
  }

  /** The same claim id until somebody answers. */
  private async claimOnce(max_jobs: number): Promise<void> {
    const claim = { claim_id: randomUUID(), max_jobs, wait_seconds: this.options.waitSeconds ?? 1 };
    while (!this.gone) {
      await this.frozen?.promise;
      const { reply, begin } = await this.recorder.claim(this.caller, this.node, claim);
      if (this.gone) return;
      if (reply?.status === 200) {
        for (const attempt of reply.body.jobs) this.begin(attempt, begin);
        return;
      }
      if (reply?.status === 404) return this.register();
      this.moveOn();
      await pause(RETRY_AFTER);
    }
  }

  private begin({ job, lease_token, lease_seconds }: ClaimedAttempt, sentAt: number): void {
    const attempt: Running = {
      job_id: job.id,
      lease_token,
      holdsUntil: sentAt + lease_seconds * 1000,
      doneAt: performance.now() + this.options.workMs(),
      lost: false,
    };
    this.running.add(attempt);
    void this.run(attempt).finally(() => this.running.delete(attempt));
  }

  private async run(attempt: Running): Promise<void> {
    while (performance.now() < attempt.doneAt) {
      await pause(Math.min(50, Math.max(1, attempt.doneAt - performance.now())));
      if (this.gone) return;
      if (attempt.lost) {
        this.abandoned += 1;
        return;
      }
    }
    const { job_id, lease_token } = attempt;
    const ending: Ending = this.options.ends?.() ?? { status: 'completed' };
    const result = { job_id, lease_token, ...ending };
    await this.untilAnswered(
      async () => (await this.recorder.report(this.caller, this.node, [result])).reply,
    );
  }

  private async heartbeats(): Promise<void> {
    let next = performance.now();
    while (!this.stopping || this.running.size > 0) {
      next = Math.max(next + this.options.heartbeatMs, performance.now());
      while (performance.now() < next && !(this.stopping && this.running.size === 0))
        await pause(Math.min(50, Math.max(1, next - performance.now())));
      const beating = [...this.running].filter(({ lost }) => !lost);
      if (beating.length > 0) await this.beat(beating);
    }
  }

  private async beat(attempts: readonly Running[]): Promise<void> {
    await this.frozen?.promise;
    const sent = attempts.map(({ job_id, lease_token }) => ({ job_id, lease_token, started: true }));
    const { reply, begin } = await this.recorder.heartbeat(this.caller, this.node, sent);
    if (reply?.status !== 200) return this.moveOn();
    for (const [k, attempt] of attempts.entries()) {
      const answer = reply.body.attempts[k];
      if (answer?.lease === 'extended') attempt.holdsUntil = begin + answer.lease_seconds * 1000;
      else attempt.lost = true;
    }
  }

  /** Undefined where this worker was abandoned meanwhile. */
  private async untilAnswered<R extends { status: number }>(
    ask: () => Promise<R | undefined>,
  ): Promise<R | undefined> {
    while (!this.gone) {
      await this.frozen?.promise;
      const reply = await ask();
      if (reply && reply.status < 500 && reply.status !== 429) return reply;
      this.moveOn();
      await pause(RETRY_AFTER);
    }
    return undefined;
  }

  private url(): string {
    let urls = this.options.urls();
    if (this.options.roams === true) {
      this.turn += 1;
      const heard = urls.filter((url) => (this.silent.get(url) ?? 0) < performance.now());
      if (heard.length > 0) urls = heard;
    }
    const url = urls[this.turn % urls.length];
    if (url === undefined) throw new Error('there is no master to ask');
    return url;
  }

  private moveOn(): void {
    this.turn += 1;
  }
}
