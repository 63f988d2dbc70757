import { Injectable } from '@nestjs/common';
import type { Gauge } from 'prom-client';
import { Settings } from '../config/settings.js';
import { Metrics } from '../metrics/metrics.js';
import { PRIORITIES } from '../protocol/priority.js';
import { ClusterFiguresRepository } from './cluster-figures.repository.js';
import type { Duty } from './duty.js';

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
    const [waiting, others, heldBack] = await Promise.all([
      this.repository.waiting(),
      this.repository.others(),
      this.repository.heldBackSeconds(),
    ]);
    const sum = (of: (row: (typeof waiting)[number]) => boolean) =>
      waiting.filter(of).reduce((all, { jobs }) => all + jobs, 0);
    const gauges = this.#gauges;
    gauges.active_jobs.set(others.active);
    gauges.leases_active.set(others.leases);
    gauges.queue_length.set(sum(() => true));
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

const HELP = {
  active_jobs: 'Jobs that a node is running or has been given.',
  leases_active: 'Slots in use, those of canceled attempts that were not yet freed included.',
  queue_length:
    'Jobs that wait and could be claimed now; counted to 10,000 a queue and priority, then estimated.',
  jobs_due_later:
    'Jobs that wait for their time (a run_at, or the backoff of a retry); estimated above 10,000.',
  event_stream_horizon_seconds:
    'For how long the oldest committed event has waited for a transaction that still runs, often a foreign one.',
  queue_by_priority: 'Jobs that wait, by priority.',
  queue_by_type: 'Jobs that wait, by queue (the name that ffmpeg-rtmp charts).',
  queue_depth: 'Jobs that wait, by queue.',
  queue_oldest_seconds: 'Age of the job that waits longest, by queue.',
  nodes_total: 'Registered nodes.',
  nodes_by_status: 'Registered nodes by status: available, busy or offline.',
} as const;

type FigureName = keyof typeof HELP;
const FIGURES = Object.keys(HELP) as FigureName[];

const LABELS: { readonly [name in FigureName]?: string } = {
  queue_by_priority: 'priority',
  queue_by_type: 'type',
  queue_depth: 'queue',
  queue_oldest_seconds: 'queue',
  nodes_by_status: 'status',
};

function makeGauges(metrics: Metrics): Record<FigureName, Gauge<string>> {
  const gauges = FIGURES.map((name) => {
    const label = LABELS[name];
    const labelNames = label === undefined ? [] : [label];
    return [name, metrics.gauge<string>({ name: `ffrtmp_${name}`, help: HELP[name], labelNames })] as const;
  });
  return Object.fromEntries(gauges) as Record<FigureName, Gauge<string>>;
}
