/**
 * Heartbeats: they keep the leases of all attempts, carry progress up, and bring cancel, pause and drain
 * down. A busy job cannot delay them: everything heavy (ffmpeg, ffprobe, nvidia-smi) is a child process
 * at a lower priority, no output is read, copied or hashed here, and publication is a rename; the event
 * loop only parses a few lines a second per attempt. So a timer of this loop is never held up by more
 * than a garbage collection, and a thread of its own would add a second connection and a race, no safety.
 */

import { availableParallelism, freemem, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AttemptAnswer, HeartbeatAnswer, HeartbeatRequest } from '../protocol/heartbeat.js';
import type { Attempt } from './attempt.js';
import { monotonicNow } from './lease-clock.js';
import type { MasterClient } from './master-client.js';
import { isUnknownNode, type NodeIdentity } from './node-identity.js';
import type { WorkerMetrics } from './worker-metrics.js';

export interface HeartbeatListener {
  attempts(): Iterable<Attempt>;
  onAnswer(attempt: Attempt, answer: Omit<AttemptAnswer, 'job_id'>, sentAt: number): void;
  /** Before each beat, whether or not a master answers it. */
  onBeat(): void;
  onDrain(drain: boolean): void;
  onSilence(): void;
}

/** Of one master; the next is asked then. A lease of 30 s thus outlasts three silent masters. */
const MAX_ASK_TIMEOUT_MS = 5_000;
const PROGRESS_INTERVAL_MS = 1_000;

export class HeartbeatLoop {
  private early = new AbortController();
  private lastAt = 0;
  private soon: NodeJS.Timeout | undefined;
  private ended: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: MasterClient,
    private readonly node: NodeIdentity,
    private readonly listener: HeartbeatListener,
    private readonly metrics: WorkerMetrics,
    private readonly logger: Logger,
    private readonly stopped: AbortSignal,
  ) {}

  start(): void {
    this.stopped.addEventListener('abort', () => this.early.abort(), { once: true });
    this.ended = this.run();
  }

  /** The next one goes now: an attempt began. */
  beatNow(): void {
    clearTimeout(this.soon);
    this.soon = undefined;
    this.early.abort();
  }

  /** There is progress worth showing; many attempts at once share one heartbeat. */
  beatSoon(): void {
    this.soon ??= setTimeout(
      () => this.beatNow(),
      Math.max(0, this.lastAt + PROGRESS_INTERVAL_MS - monotonicNow()),
    ).unref();
  }

  async end(): Promise<void> {
    await this.ended;
  }

  private async run(): Promise<void> {
    while (!this.stopped.aborted) {
      // Renewed before the beat, so that a call during it brings another right after.
      this.early = new AbortController();
      this.lastAt = monotonicNow();
      const next = this.lastAt + this.node.heartbeatIntervalMs;
      this.listener.onBeat();
      await this.beat();
      if (this.stopped.aborted) return;
      const rest = Math.max(0, next - monotonicNow());
      await delay(rest, undefined, { signal: this.early.signal }).catch(() => undefined);
    }
  }

  private async beat(): Promise<void> {
    const groups = new Map<string, Attempt[]>([[this.node.id, []]]);
    for (const attempt of this.listener.attempts()) {
      // Attempts stay with the node that claimed them, should the masters have given this process another.
      groups.set(attempt.nodeId, [...(groups.get(attempt.nodeId) ?? []), attempt]);
    }
    await Promise.all([...groups].map(([nodeId, attempts]) => this.beatFor(nodeId, attempts)));
  }

  private async beatFor(nodeId: string, attempts: Attempt[]): Promise<void> {
    const sentAt = monotonicNow();
    const body: HeartbeatRequest = {
      attempts: attempts.map((attempt) => attempt.heartbeat()),
      cpu_load_percent: cpuLoadPercent(),
      ram_free_bytes: freemem(),
    };
    try {
      const answer = await this.client.ask<HeartbeatAnswer>(`/nodes/${nodeId}/heartbeat`, body, {
        timeoutMs: Math.min(MAX_ASK_TIMEOUT_MS, this.node.heartbeatIntervalMs),
        signal: this.stopped,
        urgent: true,
      });
      this.metrics.heartbeats.inc({ outcome: 'answered' });
      // In the order of the request: a job lost and claimed again may be here twice.
      for (const [index, each] of answer.attempts.entries()) {
        const attempt = attempts[index];
        if (attempt?.job.id === each.job_id) this.listener.onAnswer(attempt, each, sentAt);
      }
      if (nodeId === this.node.id) this.listener.onDrain(answer.drain);
    } catch (error) {
      if (this.stopped.aborted) return;
      this.metrics.heartbeats.inc({ outcome: 'failed' });
      this.logger.warn({ reason: (error as Error).message }, 'heartbeat failed');
      if (isUnknownNode(error) && nodeId === this.node.id) {
        // Not awaited: it waits for a master for ever, and the silence must be noticed meanwhile.
        void this.node
          .register()
          .catch((refused: Error) => this.logger.error({ reason: refused.message }, 'not registered'));
      } else if (isUnknownNode(error)) {
        for (const attempt of attempts) {
          this.listener.onAnswer(
            attempt,
            { lease: 'lost', lease_seconds: 0, cancel: false, pause: false },
            sentAt,
          );
        }
      }
      this.listener.onSilence();
    }
  }
}

function cpuLoadPercent(): number {
  return Math.min(100, Math.round(((loadavg()[0] ?? 0) / availableParallelism()) * 100));
}
