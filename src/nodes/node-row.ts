import type { Engine } from '../protocol/priority.js';
import type { Gpu } from '../protocol/node-registration.js';

/** What is known of a worker machine. Changes at registration, drain, and when it falls silent or returns. */
export interface NodeRow {
  id: string;
  tenant_id: string | null;
  name: string;
  given_name: string;
  address: string;
  instance_id: string;
  slots: number;
  /** Empty: all queues. */
  queues: string[];
  cpu_threads: number;
  cpu_model: string;
  ram_total_bytes: number;
  gpus: Gpu[];
  encoders: string[];
  engines: Engine[];
  ffmpeg_version: string;
  labels: Record<string, string>;
  status: 'online' | 'offline';
  draining: boolean;
  registered_at: Date;
}

/** With what claims, reports and heartbeats change of it. */
export interface NodeFigures {
  /** Attempts whose slot is taken. */
  running: number;
  seen_at: Date;
  cpu_load_percent: number | null;
  ram_free_bytes: number | null;
}
