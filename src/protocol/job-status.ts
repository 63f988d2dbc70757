/** The states of a job. Which edges exist between them is told by `jobs/state-machine.ts`. */
export const JOB_STATUSES = [
  'queued',
  'assigned',
  'running',
  'retrying',
  'timed_out',
  'completed',
  'failed',
  'canceled',
  'rejected',
] as const;

export type JobStatus = (typeof JOB_STATUSES)[number];

export const TERMINAL_STATUSES = ['completed', 'failed', 'canceled', 'rejected'] as const;

export type TerminalStatus = (typeof TERMINAL_STATUSES)[number];

export function isTerminal(status: JobStatus): status is TerminalStatus {
  return (TERMINAL_STATUSES as readonly JobStatus[]).includes(status);
}
