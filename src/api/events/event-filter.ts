import { IsOptional, IsUUID } from 'class-validator';
import { timeOfUuidV7 } from '../../jobs/job-days.js';
import { JobFilter } from '../../jobs/list-query.js';
import type { EventRow } from './event-stream.repository.js';

/** `GET /api/v1/events`: the filters of `GET /jobs`, and one job. `status` is the state after the event. */
export class EventsQuery extends JobFilter {
  /** A job's id. */
  @IsOptional() @IsUUID() job?: string;
}

type Filtered = Pick<EventRow, 'tenant_id' | 'to_status' | 'queue' | 'node_id' | 'tags' | 'job_id'>;

/** Whether an event is for this client. The creation of a job is read from its UUIDv7. */
export function eventFilter(tenant_id: string, query: EventsQuery): (event: Filtered) => boolean {
  const { status, queue, node, tag, job } = query;
  const from = query.created_after ? Date.parse(query.created_after) : undefined;
  const to = query.created_before ? Date.parse(query.created_before) : undefined;
  return (event) =>
    event.tenant_id === tenant_id &&
    (status === undefined || status.includes(event.to_status)) &&
    (queue === undefined || event.queue === queue) &&
    (node === undefined || event.node_id === node.toLowerCase()) &&
    (tag === undefined || event.tags.includes(tag)) &&
    (job === undefined || event.job_id === job.toLowerCase()) &&
    ((from === undefined && to === undefined) || isBetween(timeOfUuidV7(event.job_id), from, to));
}

function isBetween(time: number | undefined, from = -Infinity, to = Infinity): boolean {
  return time !== undefined && time >= from && time < to;
}
