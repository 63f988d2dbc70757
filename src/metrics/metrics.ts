/**
 * The Prometheus registry of a process, with the usual figures of it (CPU, memory, event-loop lag, garbage
 * collection). Features own their figures in `x.metrics.ts` and make them here; asking twice for a name
 * answers the same metric, so that a second instance of a service in one process counts on.
 */
import { Injectable } from '@nestjs/common';
import {
  Counter,
  type CounterConfiguration,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  Registry,
  collectDefaultMetrics,
} from 'prom-client';
import { TalliedCounter, TalliedHistogram } from './tallies.js';

/**
 * Milliseconds between two samples of the event loop's lag, each of which wakes an idle process: by the 10 ms that are
 * prom-client's default, 100 of the 120 times a second that it woke. The figures contain this interval.
 */
const LAG_SAMPLED_EVERY = 100;

@Injectable()
export class Metrics {
  readonly registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LAG_SAMPLED_EVERY });
  }

  counter<Label extends string = never>(configuration: CounterConfiguration<Label>): Counter<Label> {
    return this.once(configuration, Counter<Label>);
  }

  gauge<Label extends string = never>(configuration: GaugeConfiguration<Label>): Gauge<Label> {
    return this.once(configuration, Gauge<Label>);
  }

  histogram<Label extends string = never>(configuration: HistogramConfiguration<Label>): Histogram<Label> {
    return this.once(configuration, Histogram<Label>);
  }

  /** For what every request counts: see tallies.ts. */
  talliedCounter<Label extends string>(configuration: CounterConfiguration<Label>): TalliedCounter<Label> {
    return this.once(configuration, TalliedCounter<Label>);
  }

  talliedHistogram<Label extends string>(
    configuration: HistogramConfiguration<Label> & { buckets: readonly number[] },
  ): TalliedHistogram<Label> {
    return this.once(configuration, TalliedHistogram<Label>);
  }

  private once<C extends { name: string }, M extends object>(
    configuration: C,
    Kind: new (configuration: C & { registers: Registry[] }) => M,
  ): M {
    const found: unknown = this.registry.getSingleMetric(configuration.name);
    if (found === undefined) return new Kind({ ...configuration, registers: [this.registry] });
    if (found instanceof Kind) return found;
    throw new Error(`the metric ${configuration.name} exists as another kind than ${Kind.name}`);
  }
}
