import { Injectable } from '@nestjs/common';
import type { Gauge } from 'prom-client';
import { Settings } from '../config/settings.js';
import { codeOf, isPermissionDenied } from '../database/sql-errors.js';
import { Metrics } from '../metrics/metrics.js';
import { PRIORITIES } from '../protocol/priority.js';
import { ClusterFiguresRepository } from './cluster-figures.repository.js';
import type { Duty } from './duty.js';
import { SNAPSHOT_KINDS } from './vacuum-horizon.repository.js';

/** Figures of the whole cluster, shown by the leader alone, so that sums over masters stay true. */
@Injectable()
export class ClusterFigures implements Duty {
  readonly name = 'cluster-figures';
  readonly #gauges: Record<FigureName, Gauge<string>>;

  constructor(
    private readonly repository: ClusterFiguresRepository,
    private readonly settings: Settings,
    metrics: Metrics,
  ) {
    this.#gauges = makeGauges(metrics);
    this.#forget();
  }

  get every(): number {
    return this.settings.scheduler.scheduling_interval;
  }

  onTerm(): () => void {
    return () => this.#forget();
  }

  async run(): Promise<number> {
    const [waiting, others, heldBack, snapshots, slots] = await Promise.all([
      this.repository.waiting(),
      this.repository.others(),
      this.repository.heldBackSeconds(),
      whereAllowed(this.repository.snapshots()),
      whereAllowed(this.repository.slots()),
    ]);
    const sum = (of: (row: (typeof waiting)[number]) => boolean) =>
      waiting.filter(of).reduce((all, { jobs }) => all + jobs, 0);
    const gauges = this.#gauges;
    gauges.active_jobs.set(others.active);
    gauges.leases_active.set(others.leases);
    gauges.queue_length.set(sum(() => true));
    gauges.jobs_queued_total.set(sum(() => true));
    gauges.jobs_due_later.set(others.due_later);
    gauges.event_stream_horizon_seconds.set(heldBack);
    for (const priority of PRIORITIES) {
      gauges.queue_by_priority.set(
        { priority },
        sum((row) => row.priority === priority),
      );
    }
    for (const queue of new Set([...others.queues, ...waiting.map((row) => row.queue)])) {
      const rows = waiting.filter((row) => row.queue === queue);
      const depth = sum((row) => row.queue === queue);
      gauges.queue_by_type.set({ type: queue }, depth);
      gauges.queue_depth.set({ queue }, depth);
      gauges.queue_oldest_seconds.set({ queue }, Math.max(0, ...rows.map((row) => row.oldest_seconds)));
    }
    const { available, busy, offline } = others;
    gauges.nodes_total.set(available + busy + offline);
    for (const [status, nodes] of Object.entries({ available, busy, offline })) {
      gauges.nodes_by_status.set({ status }, nodes);
    }
    for (const kind of snapshots ? SNAPSHOT_KINDS : []) {
      const ages = snapshots?.filter((one) => one.kind === kind).map(({ seconds }) => seconds) ?? [];
      gauges.database_oldest_snapshot_seconds.set({ holder: kind }, Math.max(0, ...ages));
    }
    // One that was dropped, or found its reader, shows no old line.
    gauges.replication_slot_retained_bytes.reset();
    for (const { name, active, retained_bytes } of slots ?? []) {
      gauges.replication_slot_retained_bytes.set({ slot: name, active: String(active) }, retained_bytes ?? 0);
    }
    return 0;
  }

  /** No line at all, where 0 would be a lie. */
  #forget(): void {
    for (const name of FIGURES) {
      const gauge = this.#gauges[name];
      gauge.reset();
      if (LABELS[name] === undefined) gauge.remove();
    }
  }
}

/** Some managed servers hide from others than their operators what their replication does. */
function whereAllowed<T>(figures: Promise<T>): Promise<T | undefined> {
  return figures.catch((error: unknown) => {
    if (isPermissionDenied(error) || codeOf(error) === '0A000') return undefined;
    throw error;
  });
}

const HELP = {
  active_jobs: 'Jobs that a node is running or has been given.',
  leases_active: 'Slots in use, those of canceled attempts that were not yet freed included.',
  queue_length:
    'Jobs that wait and could be claimed now; counted to 10,000 a queue and priority, then estimated.',
  jobs_queued_total: 'The same as ffrtmp_queue_length, under the name that ffmpeg-rtmp’s alert rules have.',
  jobs_due_later:
    'Jobs that wait for their time (a run_at, or the backoff of a retry); estimated above 10,000.',
  event_stream_horizon_seconds:
    'For how long the oldest committed event has waited for a transaction that still runs, often a foreign one.',
  database_oldest_snapshot_seconds:
    'Age of the oldest snapshot that keeps vacuum from removing dead rows, by who holds it; 0 for none.',
  replication_slot_retained_bytes:
    'Log that the server keeps for each replication slot, and whether it has a reader.',
  queue_by_priority: 'Jobs that wait, by priority.',
  queue_by_type: 'Jobs that wait, by queue (the name that ffmpeg-rtmp charts).',
  queue_depth: 'Jobs that wait, by queue.',
  queue_oldest_seconds: 'Age of the job that waits longest, by queue.',
  nodes_total: 'Registered nodes.',
  nodes_by_status: 'Registered nodes by status: available, busy or offline.',
} as const;

type FigureName = keyof typeof HELP;
const FIGURES = Object.keys(HELP) as FigureName[];

const LABELS: { readonly [name in FigureName]?: readonly string[] } = {
  queue_by_priority: ['priority'],
  queue_by_type: ['type'],
  queue_depth: ['queue'],
  queue_oldest_seconds: ['queue'],
  nodes_by_status: ['status'],
  database_oldest_snapshot_seconds: ['holder'],
  replication_slot_retained_bytes: ['slot', 'active'],
};

function makeGauges(metrics: Metrics): Record<FigureName, Gauge<string>> {
  const gauges = FIGURES.map((name) => {
    const labelNames = [...(LABELS[name] ?? [])];
    const full = name === 'jobs_queued_total' ? name : `ffrtmp_${name}`;
    return [name, metrics.gauge<string>({ name: full, help: HELP[name], labelNames })] as const;
  });
  return Object.fromEntries(gauges) as Record<FigureName, Gauge<string>>;
}
