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
