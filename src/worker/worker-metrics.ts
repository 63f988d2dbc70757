import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Slots } from './slots.js';

/** What a worker tells Prometheus. */
export class WorkerMetrics {
  readonly registry = new Registry();
  readonly attempts = new Counter({
    name: 'ffrtmp_worker_attempts_total',
    help: 'Attempts by how they ended',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly heartbeats = new Counter({
    name: 'ffrtmp_worker_heartbeats_total',
    help: 'Heartbeats by whether a master answered',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly speed = new Histogram({
    name: 'ffrtmp_worker_ffmpeg_speed',
    help: 'Media seconds per second of completed runs of ffmpeg',
    buckets: [0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32],
    registers: [this.registry],
  });

  constructor(slots: Slots, silenceMs: () => number) {
    new Gauge({
      name: 'ffrtmp_worker_active_jobs',
      help: 'Attempts that hold a slot',
      registers: [this.registry],
      collect() {
        this.set(slots.inUse);
      },
    });
    new Gauge({
      name: 'ffrtmp_worker_slots',
      help: 'Attempts that may run at once',
      registers: [this.registry],
      collect() {
        this.set(slots.total);
      },
    });
    new Gauge({
      name: 'ffrtmp_worker_master_silence_seconds',
      help: 'Time since a master last answered',
      registers: [this.registry],
      collect() {
        this.set(silenceMs() / 1000);
      },
    });
  }
}
