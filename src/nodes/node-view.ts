import type { NodeFigures, NodeRow } from './node-row.js';

export const NODE_STATUSES = ['online', 'draining', 'offline'] as const;
export type NodeStatus = (typeof NODE_STATUSES)[number];

/** A node as `/api/v1` answers it. Times are RFC 3339 in UTC. */
export interface NodeView {
  id: string;
  name: string;
  address: string;
  /** `draining` takes no further jobs; `offline` was not heard of for `timeouts.heartbeat_timeout`. */
  status: NodeStatus;
  slots: number;
  running: number;
  queues: string[];
  cpu_threads: number;
  cpu_model: string;
  ram_total_bytes: number;
  gpus: { name: string; memory_bytes?: number }[];
  encoders: string[];
  engines: string[];
  ffmpeg_version: string;
  labels: Record<string, string>;
  registered_at: string;
  seen_at: string;
  cpu_load_percent: number | null;
  ram_free_bytes: number | null;
}

export function toNodeView(row: NodeRow & NodeFigures): NodeView {
  return {
    id: row.id,
    name: row.name,
    address: row.address,
    status: statusOf(row),
    slots: row.slots,
    running: row.running,
    queues: row.queues,
    cpu_threads: row.cpu_threads,
    cpu_model: row.cpu_model,
    ram_total_bytes: row.ram_total_bytes,
    gpus: row.gpus,
    encoders: row.encoders,
    engines: row.engines,
    ffmpeg_version: row.ffmpeg_version,
    labels: row.labels,
    registered_at: row.registered_at.toISOString(),
    seen_at: row.seen_at.toISOString(),
    cpu_load_percent: row.cpu_load_percent,
    ram_free_bytes: row.ram_free_bytes,
  };
}

function statusOf({ status, draining }: NodeRow): NodeStatus {
  if (status === 'offline') return 'offline';
  return draining ? 'draining' : 'online';
}
