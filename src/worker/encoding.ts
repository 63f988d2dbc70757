/**
 * The run of ffmpeg within an attempt: started, kept within its limits, and its end explained. A stream
 * that others watch ends with the lease; a file may be finished without one, since nobody sees it yet.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { AttemptFailure } from './attempt-failure.js';
import type { AttemptLog } from './attempt-log.js';
import type { AttemptPlan } from './attempt-plan.js';
import { ffmpegFailure } from './ffmpeg-failure.js';
import { FfmpegProcess } from './ffmpeg-process.js';
import { launchCommand } from './launch-tools.js';
import type { LeaseClock } from './lease-clock.js';
import type { Machine } from './machine.js';
import type { FfmpegProgress } from './progress-parser.js';
import { UnpausedTimer } from './unpaused-timer.js';

export interface EncodingSurroundings {
  machine: Machine;
  /** Where ffmpeg runs. */
  folder: string;
  lease: LeaseClock;
  log: AttemptLog;
  /** Aborted when the attempt is stopped; whoever aborts it kills the process, too. */
  stopped: AbortSignal;
  onStarted: (process: FfmpegProcess) => void;
  onProgress: (progress: FfmpegProgress) => void;
  onLeaseOver: () => void;
}

/** @throws AttemptFailure where ffmpeg failed or was held back by a limit, or the reason of `stopped`. */
export async function encode(plan: AttemptPlan, around: EncodingSurroundings): Promise<void> {
  const toRtmp = plan.target.kind === 'rtmp';
  const { machine, log, stopped } = around;
  if (toRtmp) await leaseInHand(around.lease, stopped);
  const command = launchCommand(machine.tools, machine.binaries.ffmpeg, plan.args, plan.limits.maxMemoryMb);
  // The last moment: a stop that came while nothing ran yet had no process to kill.
  stopped.throwIfAborted();
  const ffmpeg = new FfmpegProcess(
    { ...command, cwd: around.folder },
    {
      onProgress: around.onProgress,
      onLog: (text) => log.write(text),
      onPaused: (paused) => clock.setPaused(paused),
    },
  );
  const clock = new UnpausedTimer(plan.limits.timeoutMs, () => ffmpeg.kill());
  around.onStarted(ffmpeg);
  const ended = new AbortController();
  if (toRtmp) void watchLease(around.lease, ended.signal, around.onLeaseOver);
  try {
    const { code, signal } = await ffmpeg.done;
    stopped.throwIfAborted();
    if (clock.isOver) {
      const seconds = (plan.limits.timeoutMs ?? 0) / 1000;
      throw new AttemptFailure('timeout', `ffmpeg ran longer than resource_limits.timeout_sec (${seconds})`);
    }
    if (code === 0) return;
    const { maxMemoryMb } = plan.limits;
    throw ffmpegFailure({
      code,
      signal,
      lastLines: log.lastLines,
      toRtmp,
      ...(maxMemoryMb !== undefined && { maxMemoryMb }),
    });
  } finally {
    ended.abort();
    clock.stop();
  }
}

/** A claim may have been parked for longer than its lease lasts; a stream begins with a fresh one. */
async function leaseInHand(lease: LeaseClock, stopped: AbortSignal): Promise<void> {
  while (lease.remaining() === 0) await delay(50, undefined, { signal: stopped });
}

async function watchLease(lease: LeaseClock, ended: AbortSignal, onOver: () => void): Promise<void> {
  for (let left = lease.remaining(); left > 0; left = lease.remaining()) {
    await delay(left, undefined, { signal: ended }).catch(() => undefined);
    if (ended.aborted) return;
  }
  onOver();
}
