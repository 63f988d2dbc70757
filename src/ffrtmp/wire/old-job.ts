/** A job as the routes of ffmpeg-rtmp answer it. */
import type { Job, JobEvent } from '../../protocol/job.js';
import type { ImportedData } from '../import/imported-job.js';
import { omitZero } from './omit-zero.js';
import { oldStatus, oldTransitionState } from './old-status.js';

/** What only the answer for a single job has. */
export interface Details {
  /** The log of its attempts, or what was kept of it. */
  readonly logs?: string;
  readonly events?: readonly JobEvent[];
}

/** Numbers are integers, times RFC 3339; what is zero or empty is left out, as Go's `omitempty` does. */
export function toOldJob(job: Job, { logs, events = [] }: Details = {}): object {
  return {
    id: job.id,
    scenario: job.scenario,
    confidence: job.confidence ?? 'auto',
    status: oldStatus(job),
    created_at: job.created_at,
    retry_count: job.retry_count,
    ...omitZero({
      sequence_number: job.sequence_number,
      engine: job.engine,
      classification: job.classification,
      parameters: job.parameters,
      queue: job.queue,
      priority: job.priority,
      progress: Math.floor(job.progress),
      node_id: job.node_id,
      // The CLI shows the name beside the id, and ends where there is none: of a node that was gone when its job was imported.
      node_name: job.node_name ?? job.node_id,
      // A claim is a start over there: its agents never say that they begin.
      started_at: job.started_at ?? job.assigned_at,
      completed_at: job.completed_at,
      max_retries: job.max_retries,
      error: job.error,
      failure_reason: job.failure_reason,
      logs,
      state_transitions: events.flatMap(toTransition),
    }),
  };
}

function toTransition(event: JobEvent): object[] {
  // What it went through over there, as it was written there.
  if (event.type === 'imported') return (event.data as Partial<ImportedData>).transitions ?? [];
  // Pauses and resumes change no state.
  if (event.from_status === null || event.from_status === event.to_status) return [];
  const reason = event.type === 'assigned' ? `Assigned to node ${event.node_id}` : event.type;
  const [from, to] = [oldTransitionState(event.from_status), oldTransitionState(event.to_status)];
  return [{ from, to, timestamp: event.at, reason }];
}
