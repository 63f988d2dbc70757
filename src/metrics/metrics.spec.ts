import { Test } from '@nestjs/testing';
import { describe, expect, it } from 'vitest';
import { Metrics } from './metrics.js';
import { MetricsModule } from './metrics.module.js';

describe('Metrics', () => {
  it('has the figures of the process, event-loop lag among them', async () => {
    const text = await new Metrics().registry.metrics();
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
  });

  it('makes each metric once', async () => {
    const metrics = new Metrics();
    const claims = { name: 'ffrtmp_claims_total', help: 'Claims', labelNames: ['outcome'] as const };
    metrics.counter(claims).inc({ outcome: 'empty' });
    metrics.counter(claims).inc({ outcome: 'empty' }, 2);
    metrics.gauge({ name: 'ffrtmp_depth', help: 'Depth' }).set(4);
    metrics.histogram({ name: 'ffrtmp_wait_seconds', help: 'Wait', buckets: [1] }).observe(0.5);
    const text = await metrics.registry.metrics();
    expect(text).toContain('ffrtmp_claims_total{outcome="empty"} 3\n');
    expect(text).toContain('ffrtmp_depth 4\n');
    expect(text).toContain('ffrtmp_wait_seconds_bucket{le="1"} 1\n');
  });

  it('has tallies that read as the metrics of prom-client do', async () => {
    const [theirs, ours] = [new Metrics(), new Metrics()];
    const requests = { name: 'requests_total', help: 'Requests', labelNames: ['method', 'status'] as const };
    const durations = { name: 'seconds', help: 'Time', labelNames: ['method'] as const, buckets: [0.1, 1] };
    for (const seconds of [0, 0.1, 0.1001, 1, 7]) {
      theirs.counter(requests).inc({ method: 'GET', status: 200 });
      theirs.histogram(durations).observe({ method: 'GET' }, seconds);
      ours.talliedCounter(requests).series({ status: 200, method: 'GET' }).count += 1;
      ours.talliedHistogram(durations).series({ method: 'GET' }).observe(seconds);
    }
    theirs.counter(requests).inc({ method: 'PO"ST', status: 404 });
    ours.talliedCounter(requests).series({ method: 'PO"ST', status: 404 }).count += 1;
    // What they have of the process itself moves on between two readings.
    const read = async ({ registry }: Metrics, name: string) =>
      (await registry.getSingleMetricAsString(name))
        .split('\n')
        .map((line) => line.replace(/[{},]/g, ' ').split(' ').sort());
    for (const name of ['requests_total', 'seconds']) {
      expect(await read(ours, name)).toEqual(await read(theirs, name));
    }
  });

  it('refuses one name for two kinds', () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'x', help: 'x' });
    expect(() => metrics.gauge({ name: 'x', help: 'x' })).toThrow(
      'the metric x exists as another kind than Gauge',
    );
  });

  it('keeps registries of one process apart', async () => {
    const [one, two] = [new Metrics(), new Metrics()];
    one.counter({ name: 'x', help: 'x' }).inc();
    expect(two.registry.getSingleMetric('x')).toBeUndefined();
  });

  it('is one for all who inject it', async () => {
    const module = await Test.createTestingModule({ imports: [MetricsModule] }).compile();
    expect(module.get(Metrics)).toBe(module.get(Metrics));
    await module.close();
  });
});
