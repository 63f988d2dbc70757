/**
 * The ffmpeg worker. It asks the masters for jobs, runs ffmpeg, and puts results in their place once a
 * master has accepted them. It holds no truth: a job is its own only while its lease stands.
 *
 *     register ──▶ claim (parked) ──▶ attempt: prepare ▸ ffmpeg ▸ verify ──▶ report ──▶ publish
 *                    ▲  heartbeats over all attempts, the whole time    │
 *                    └────────────── the next claim rides along ────────┘
 *
 * What it guarantees
 *  - Nothing appears below the output directory that a master did not accept first, and everything that
 *    one accepted does appear, also if this process dies in between.
 *  - It never runs more attempts than it has slots, and never asks for more.
 *  - ffmpeg sees checked numbers, closed lists of words and paths of the worker's making; no shell runs.
 *
 * What happens on each failure
 *  - A master is slow, gone or draining: the next URL is asked; the same request, so nothing is doubled.
 *  - A claim's answer is lost: the same claim_id brings the same attempts. A report's: `duplicate`.
 *  - `lost`: ffmpeg is killed at once, all is removed, nothing is reported. `cancel`: likewise, reported `canceled`.
 *  - No master at all: ffmpeg goes on for `outageGraceMs`. Back before: the heartbeat says whether the
 *    lease stands. Not back: ffmpeg is killed and removed, the job handed back when someone answers. A
 *    finished result waits: its report may have been accepted just before, and only the masters know.
 *  - A stream over RTMP cannot be taken back, so it ends with its lease, and is handed back.
 *  - This process is killed (-9): ffmpeg dies with it (launch-tools.ts); the next process settles what is
 *    left (leftover-attempts.ts).
 *  - SIGTERM (`stop`): no more claims, ffmpeg is killed, unfinished jobs are handed back as `released`.
 *  - The masters forgot the node: it registers again.
 */

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClaimedAttempt } from '../protocol/claim.js';
import type { AttemptAnswer } from '../protocol/heartbeat.js';
import type { NodeRegistration } from '../protocol/node-registration.js';
import type { ReportOutcome } from '../protocol/report.js';
import type { PendingReport } from './attempt-directory.js';
import { AttemptStore } from './attempt-store.js';
import { Attempt } from './attempt.js';
import { ClaimLoop } from './claim-loop.js';
import { HeartbeatLoop, type HeartbeatListener } from './heartbeat-loop.js';
import { monotonicNow } from './lease-clock.js';
import { settleLeftovers } from './leftover-attempts.js';
import { inspectMachine, type Machine } from './machine.js';
import { MasterClient } from './master-client.js';
import { MasterRefused } from './master-error.js';
import { NodeIdentity } from './node-identity.js';
import { ReportBox } from './report-box.js';
import { defaultSlots, Slots } from './slots.js';
import { WorkerMetrics } from './worker-metrics.js';
import type { WorkerOptions } from './worker-options.js';

const OUTAGE_GRACE_MS = 10 * 60_000;
const STOP_GRACE_MS = 10_000;
const CLAIM_WAIT_SECONDS = 30;
const SAY_AGAIN_MS = 30_000;

export class Worker implements HeartbeatListener {
  readonly metrics: WorkerMetrics;
  private readonly instanceId = randomUUID();
  private readonly client: MasterClient;
  private readonly running = new Map<number, { attempt: Attempt; ended: Promise<void> }>();
  /** No further work: set first. */
  private readonly closing = new AbortController();
  /** No further words to the masters either: set when the grace is over. */
  private readonly leaving = new AbortController();
  private slots: Slots;
  private machine: Machine;
  private store: AttemptStore;
  private node: NodeIdentity;
  private claims: ClaimLoop;
  private reports: ReportBox;
  private heartbeats: HeartbeatLoop;
  private served: { close(): Promise<void> } | undefined;
  private leftovers: Promise<void> = Promise.resolve();
  private starting: Promise<void> | undefined;
  private started = false;
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: WorkerOptions) {
    this.client = new MasterClient(options.masters, options.apiKey, options.tls);
    this.slots = new Slots(options.slots ?? defaultSlots());
    this.metrics = new WorkerMetrics(this.slots, () => this.client.silence);
  }

  /** Resolves once registered, which waits for a master. @throws Error that tells what to mend on this machine or in the key. */
  start(): Promise<void> {
    this.starting ??= this.startUp();
    return this.starting;
  }

  /** Hands back what is unfinished and ends within the grace time. May be called at any time, and again. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  /** Those whose end no master has confirmed yet. */
  *attempts(): Iterable<Attempt> {
    for (const { attempt } of this.running.values()) if (attempt.phase !== 'settled') yield attempt;
  }

  onAnswer(attempt: Attempt, answer: Omit<AttemptAnswer, 'job_id'>, sentAt: number): void {
    if (answer.lease === 'lost' || answer.cancel) {
      attempt.stop(answer.cancel ? 'canceled' : 'lost');
    } else {
      attempt.lease.renew(sentAt, answer.lease_seconds);
      attempt.setPaused(answer.pause);
    }
  }

  onDrain(drain: boolean): void {
    this.claims.setDraining(drain);
  }

  onBeat(): void {
    void this.store.touch();
  }

  onSilence(): void {
    if (this.client.silence <= (this.options.outageGraceMs ?? OUTAGE_GRACE_MS)) return;
    for (const attempt of this.attempts()) attempt.stop('outage');
  }

  private async startUp(): Promise<void> {
    const { options } = this;
    const { signal } = this.closing;
    this.machine = await inspectMachine({
      workDir: options.workDir,
      ...(options.ffmpegPath !== undefined && { ffmpegPath: options.ffmpegPath }),
    });
    signal.throwIfAborted();
    this.store = await AttemptStore.open(options.outputDir, this.instanceId);
    this.served = await options.serveMetrics?.(this.metrics.registry);
    this.node = new NodeIdentity(
      this.client,
      this.registration(),
      options.apiKey,
      this.closing.signal,
      sayAtIntervals((reason) => options.logger.warn({ reason }, 'registration waits for a master')),
    );
    await this.node.register().catch((error: unknown) => {
      throw withAdvice(error);
    });
    this.assemble();
    this.started = true;
    options.logger.info(
      { node_id: this.node.id, name: this.registration().name, slots: this.slots.total },
      'worker registered',
    );
    this.heartbeats.start();
    this.leftovers = settleLeftovers(await this.store.adoptLeftovers(), this.reports, options.logger);
    this.claims.wake();
  }

  private assemble(): void {
    const { client, node, slots } = this;
    const { logger } = this.options;
    const onClaimed = (jobs: readonly ClaimedAttempt[], nodeId: string, sentAt: number): void => {
      for (const job of jobs) this.begin(job, nodeId, sentAt);
    };
    const wait = this.options.claimWaitSeconds ?? CLAIM_WAIT_SECONDS;
    this.claims = new ClaimLoop(client, node, slots, wait, onClaimed, logger, this.closing.signal);
    this.reports = new ReportBox(client, node, slots, this.claims, onClaimed, logger, this.leaving.signal);
    this.heartbeats = new HeartbeatLoop(client, node, this, this.metrics, logger, this.leaving.signal);
  }

  private begin(claimed: ClaimedAttempt, nodeId: string, sentAt: number): void {
    if (this.running.has(claimed.lease_token)) return;
    const attempt = new Attempt(claimed, sentAt, this.store.directory(claimed.job.id, claimed.lease_token), {
      client: this.client,
      nodeId,
      machine: this.machine,
      slots: this.slots.total,
      inputRoots: this.options.inputRoots ?? [],
      rtmpHosts: this.options.rtmpHosts ?? [],
      defaultRtmpHost: this.client.firstHost,
      onProgress: () => this.heartbeats.beatSoon(),
    });
    const ended = this.see(attempt).finally(() => {
      this.running.delete(claimed.lease_token);
      this.claims.wake();
    });
    this.running.set(claimed.lease_token, { attempt, ended });
    // A claim that came in while stopping is handed back like the others.
    if (this.closing.signal.aborted) attempt.stop('released');
    this.heartbeats.beatNow();
  }

  /** Sees an attempt through to its end. Never rejects. */
  private async see(attempt: Attempt): Promise<void> {
    const slot = this.slots.take();
    const logger = this.options.logger.child({ job_id: attempt.job.id, lease_token: attempt.leaseToken });
    logger.info({ scenario: attempt.job.scenario }, 'attempt begun');
    try {
      const pending = await attempt.run();
      if (pending === null) {
        this.metrics.attempts.inc({ outcome: 'lost' });
        logger.warn('attempt lost');
        await attempt.directory.remove();
        return;
      }
      // Nobody will ask for what is unfinished, and in an outage the answer may be days away. Where the disk
      // refuses, the masters shall hear of the end all the same; it is tried again after their answer.
      if (pending.report.status !== 'completed') await attempt.directory.remove().catch(() => undefined);
      const outcome = await this.reports.deliver(pending.node_id, pending.report, slot);
      attempt.phase = 'settled';
      this.count(pending, outcome);
      logger.info(
        { status: pending.report.status, outcome, error: pending.report.error },
        'attempt reported',
      );
      if (pending.report.status === 'completed' && outcome !== 'stale')
        await attempt.directory.publish(pending);
      else await attempt.directory.remove();
    } catch (error) {
      // Unanswered when the worker stops, or the disk refuses: the directory stays for the next start.
      logger.error({ reason: (error as Error).message }, 'attempt left for the next start');
    } finally {
      slot.release();
    }
  }

  private count({ report }: PendingReport, outcome: ReportOutcome): void {
    this.metrics.attempts.inc({ outcome: outcome === 'stale' ? 'stale' : report.status });
    const speed = report.result?.metrics?.speed;
    if (typeof speed === 'number') this.metrics.speed.observe(speed);
  }

  private async shutDown(): Promise<void> {
    this.closing.abort(new Error('the worker stops'));
    await this.starting?.catch(() => undefined);
    for (const attempt of this.attempts()) attempt.stop('released');
    if (this.started) {
      const done = Promise.all([
        this.claims.end(),
        this.leftovers,
        ...[...this.running.values()].map(({ ended }) => ended),
      ]);
      await Promise.race([done, delay(this.options.stopGraceMs ?? STOP_GRACE_MS, undefined, { ref: false })]);
      this.leaving.abort(new Error('the worker has stopped'));
      await done;
      await this.heartbeats.end();
    }
    this.leaving.abort();
    await this.store?.close();
    await this.served?.close();
    await this.client.close();
  }

  private registration(): NodeRegistration {
    const { capabilities } = this.machine;
    return {
      ...capabilities,
      name: this.options.name ?? hostname(),
      instance_id: this.instanceId,
      slots: this.slots.total,
      ...(this.options.queues?.length && { queues: [...this.options.queues] }),
      labels: { ...capabilities.labels, ...this.options.labels },
    };
  }
}

/** What is wrong is said at once, and again every half minute for as long as it lasts. */
function sayAtIntervals(say: (reason: string) => void): (error: Error) => void {
  let said = { reason: '', at: 0 };
  return ({ message }) => {
    if (message === said.reason && monotonicNow() - said.at < SAY_AGAIN_MS) return;
    said = { reason: message, at: monotonicNow() };
    say(message);
  };
}

function withAdvice(error: unknown): unknown {
  if (!(error instanceof MasterRefused) || (error.status !== 401 && error.status !== 403)) return error;
  return new Error(
    `the masters refuse this worker's key (${error.message}); give it a key that may register nodes`,
  );
}
