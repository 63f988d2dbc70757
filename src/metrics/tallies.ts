/**
 * A counter and a histogram for what every request counts. prom-client finds a series by a text that it makes of
 * the labels each time: 11,000 instructions a request for the two of http.metrics.ts, 4 % of all. Here whoever
 * counts holds on to the series. The registry gets from them what it gets from prom-client's own.
 */
import type { CounterConfiguration, HistogramConfiguration, Metric, Registry } from 'prom-client';

type Labels<Label extends string> = Readonly<Record<Label, string | number>>;

interface Sample {
  metricName: string;
  labels: Readonly<Record<string, string | number>>;
  value: number;
}

abstract class Tallied<Label extends string, Series> {
  readonly name: string;
  protected readonly all = new Map<string, { labels: Labels<Label>; series: Series }>();
  private readonly help: string;

  protected constructor(
    private readonly type: 'counter' | 'histogram',
    { name, help, registers }: { name: string; help: string; registers: Registry[] },
  ) {
    this.name = name;
    this.help = help;
    // Of a metric a registry asks its name and `get`; its types name prom-client's four classes.
    for (const registry of registers) registry.registerMetric(this as unknown as Metric);
  }

  /** The series of these labels, to be held on to: finding it is what costs. */
  series(labels: Labels<Label>): Series {
    const key = JSON.stringify(Object.entries(labels).sort());
    const found = this.all.get(key) ?? { labels, series: this.begin() };
    this.all.set(key, found);
    return found.series;
  }

  /** By this the registry reads a metric. */
  get() {
    const values = [...this.all.values()].flatMap(({ labels, series }) => this.samples(labels, series));
    return Promise.resolve({ name: this.name, help: this.help, type: this.type, aggregator: 'sum', values });
  }

  protected abstract begin(): Series;
  protected abstract samples(labels: Labels<Label>, series: Series): Sample[];
}

export interface Tally {
  count: number;
}

export class TalliedCounter<Label extends string> extends Tallied<Label, Tally> {
  constructor(configuration: CounterConfiguration<Label> & { registers: Registry[] }) {
    super('counter', configuration);
  }

  protected override begin(): Tally {
    return { count: 0 };
  }

  protected override samples(labels: Labels<Label>, { count }: Tally): Sample[] {
    return [{ metricName: this.name, labels, value: count }];
  }
}

export class TalliedHistogram<Label extends string> extends Tallied<Label, Distribution> {
  private readonly bounds: readonly number[];

  constructor(
    configuration: HistogramConfiguration<Label> & { buckets: readonly number[]; registers: Registry[] },
  ) {
    super('histogram', configuration);
    this.bounds = configuration.buckets;
  }

  protected override begin(): Distribution {
    return new Distribution(this.bounds);
  }

  protected override samples(labels: Labels<Label>, series: Distribution): Sample[] {
    let within = 0;
    const buckets = [...this.bounds, '+Inf'].map((le, index) => {
      within += series.counts[index] ?? 0;
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: within };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: series.sum },
      { metricName: `${this.name}_count`, labels, value: within },
    ];
  }
}

export class Distribution {
  /** One more than there are bounds: the last counts what lies above them all. */
  readonly counts: number[];
  sum = 0;

  constructor(private readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] ?? 0)) index += 1;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }
}
