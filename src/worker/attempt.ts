/**
 * One attempt: a job that this worker holds the lease of.
 *
 *     preparing ──▶ running ──▶ verifying ──▶ reporting ──▶ settled (published or removed)
 *         └────────────┴────────────┴──▶ stopped, for one of the causes below
 *
 * `run` ends with the report that the masters shall get, or null where they want none. It does not send
 * or publish anything itself (but for RTMP, which is sent while it is made): that is worker.ts, after
 * the masters' word.
 */

import type { ClaimedAttempt, ClaimedJobBody } from '../protocol/claim.js';
import type { AttemptHeartbeat } from '../protocol/heartbeat.js';
import type { AttemptReport, JobResult } from '../protocol/report.js';
import type { AttemptDirectory, PendingReport } from './attempt-directory.js';
import { asAttemptFailure } from './attempt-failure.js';
import { AttemptLog } from './attempt-log.js';
import { planAttempt, type AttemptPlan, type PlanSurroundings } from './attempt-plan.js';
import { encode } from './encoding.js';
import type { FfmpegProcess } from './ffmpeg-process.js';
import { LeaseClock } from './lease-clock.js';
import type { MasterClient } from './master-client.js';
import { percentDone, type FfmpegProgress } from './progress-parser.js';
import { verifyOutput } from './verify-output.js';

/**
 * `lost`: the lease is another's. `canceled`: so the job's owner wishes. `released`: this worker stops.
 * `outage`: no master answered for too long. `lease`: it ended while a stream was being sent.
 */
export type StopCause = 'lost' | 'canceled' | 'released' | 'outage' | 'lease';

export type AttemptPhase = 'preparing' | 'running' | 'verifying' | 'reporting' | 'settled';

export type AttemptSurroundings = Omit<PlanSurroundings, 'fileInAttempt' | 'signal'> & {
  client: MasterClient;
  nodeId: string;
  /** Told when the attempt has moved on by PROGRESS_STEP points since its last heartbeat. */
  onProgress(): void;
};

/** Best effort: what of the log has not gone by then stays behind. */
const LOG_CLOSE_MS = 1_000;

/** At most twenty heartbeats an attempt beside the regular ones, so that a bar moves for who watches. */
const PROGRESS_STEP = 5;

export class Attempt {
  readonly job: ClaimedJobBody;
  readonly leaseToken: number;
  readonly nodeId: string;
  readonly lease: LeaseClock;
  phase: AttemptPhase = 'preparing';
  private readonly stopping = new AbortController();
  private cause: StopCause | null = null;
  private process: FfmpegProcess | undefined;
  private paused = false;
  private progress: FfmpegProgress | undefined;
  private plan: AttemptPlan | undefined;
  private percentTold = 0;

  constructor(
    claimed: ClaimedAttempt,
    sentAt: number,
    readonly directory: AttemptDirectory,
    private readonly around: AttemptSurroundings,
  ) {
    this.job = claimed.job;
    this.leaseToken = claimed.lease_token;
    this.nodeId = around.nodeId;
    this.lease = new LeaseClock(sentAt, claimed.lease_seconds);
  }

  /** Never rejects. The report of a completed attempt is saved in its directory by then. */
  async run(): Promise<PendingReport | null> {
    let ending: Omit<AttemptReport, 'job_id' | 'lease_token'> | null;
    try {
      ending = { status: 'completed', result: await this.transcode() };
    } catch (error) {
      ending = this.ending(error);
    }
    this.phase = 'reporting';
    if (ending === null) return null;
    const target = this.plan?.target;
    const pending: PendingReport = {
      node_id: this.nodeId,
      report: { job_id: this.job.id, lease_token: this.leaseToken, ...ending },
      ...(target?.kind === 'file' && { output: { file: target.file, name: target.output.name } }),
    };
    if (ending.status !== 'completed') return pending;
    try {
      await this.directory.savePending(pending);
      return pending;
    } catch (error) {
      const { reason, message } = asAttemptFailure(error);
      return {
        ...pending,
        report: {
          ...pending.report,
          status: 'failed',
          result: undefined,
          error: message,
          failure_reason: reason,
        },
      };
    }
  }

  /** The first cause counts. ffmpeg is gone within moments; `run` ends then. */
  stop(cause: StopCause): void {
    if (this.cause !== null || this.phase === 'reporting' || this.phase === 'settled') return;
    this.cause = cause;
    this.stopping.abort(new Error(cause));
    this.process?.kill();
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    this.process?.setPaused(paused);
  }

  get isPaused(): boolean {
    return this.paused;
  }

  /** ffmpeg's process, while it runs. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  get speed(): number | undefined {
    return this.progress?.speed;
  }

  heartbeat(): AttemptHeartbeat {
    const percent = this.percent;
    const { fps, speed } = this.progress ?? {};
    this.percentTold = percent ?? 0;
    return {
      job_id: this.job.id,
      lease_token: this.leaseToken,
      started: true,
      ...(percent !== undefined && { progress: percent }),
      ...(fps !== undefined && { fps }),
      ...(speed !== undefined && { speed }),
      ...(this.plan?.length && { duration_seconds: this.plan.length.seconds }),
    };
  }

  private get percent(): number | undefined {
    return this.progress && percentDone(this.progress, this.plan?.length?.seconds);
  }

  private advance(progress: FfmpegProgress): void {
    this.progress = progress;
    if (!progress.ended && (this.percent ?? 0) - this.percentTold >= PROGRESS_STEP) this.around.onProgress();
  }

  private async transcode(): Promise<JobResult> {
    await this.directory.create();
    const { signal } = this.stopping;
    const plan = await planAttempt(this.job, {
      ...this.around,
      fileInAttempt: (name) => this.directory.file(name),
      signal,
    });
    this.plan = plan;
    if (plan.target.kind === 'file') await this.directory.checkPlace(plan.target.output.name);
    const startedAt = performance.now();
    await this.encode(plan);
    this.phase = 'verifying';
    const metrics = {
      encode_seconds: Math.round(performance.now() - startedAt) / 1000,
      ...(this.progress?.frame && { frames: this.progress.frame }),
      ...(this.progress?.fps && { fps: this.progress.fps }),
      ...(this.progress?.speed && { speed: this.progress.speed }),
    };
    if (plan.target.kind === 'rtmp') {
      return {
        output: plan.target.shown,
        size_bytes: this.progress?.totalBytes ?? 0,
        duration_seconds: this.progress?.seconds ?? 0,
        metrics,
      };
    }
    const result = await verifyOutput({
      ffprobe: this.around.machine.binaries.ffprobe,
      path: this.directory.file(plan.target.file),
      name: plan.target.output.name,
      family: plan.family,
      ...(plan.length && { length: plan.length }),
      ...(plan.limits.maxOutputBytes !== undefined && { maxOutputBytes: plan.limits.maxOutputBytes }),
      signal,
    });
    return { ...result, metrics };
  }

  private async encode(plan: AttemptPlan): Promise<void> {
    const { machine, client } = this.around;
    const secret = plan.target.kind === 'rtmp' ? plan.target.secret : undefined;
    const log = new AttemptLog(client, { jobId: this.job.id, leaseToken: this.leaseToken }, secret);
    try {
      await encode(plan, {
        machine,
        folder: this.directory.path,
        lease: this.lease,
        log,
        stopped: this.stopping.signal,
        onStarted: (process) => {
          this.process = process;
          this.phase = 'running';
          process.setPaused(this.paused);
        },
        onProgress: (progress) => this.advance(progress),
        onLeaseOver: () => this.stop('lease'),
      });
    } finally {
      this.process = undefined;
      await log.close(this.cause === null ? LOG_CLOSE_MS : 0);
    }
  }

  private ending(error: unknown): Omit<AttemptReport, 'job_id' | 'lease_token'> | null {
    switch (this.cause) {
      case 'lost':
        return null;
      case 'canceled':
        return { status: 'canceled' };
      case 'released':
      case 'outage':
      case 'lease':
        return { status: 'released' };
      case null: {
        const { reason, message } = asAttemptFailure(error);
        return { status: 'failed', error: message.slice(0, 8_000), failure_reason: reason };
      }
    }
  }
}
