import type { JobStatus } from '../../protocol/job-status.js';

/**
 * The names that clients of ffmpeg-rtmp wait for. `jobs status --follow` ends on completed, failed and canceled alone, so
 * a rejected job has failed here. A retry that waits for its time is pending: over there it was so at once.
 */
const NAMES: Readonly<Record<JobStatus, string>> = {
  queued: 'pending',
  retrying: 'pending',
  assigned: 'processing',
  running: 'processing',
  timed_out: 'processing',
  completed: 'completed',
  failed: 'failed',
  rejected: 'failed',
  canceled: 'canceled',
};

/** A state in the record of transitions, which kept the strict names but for these two. */
export function oldTransitionState(status: JobStatus): string {
  return status === 'queued' || status === 'running' ? NAMES[status] : status;
}

export function oldStatus({ status, paused }: { status: JobStatus; paused: boolean }): string {
  return paused ? 'paused' : NAMES[status];
}
