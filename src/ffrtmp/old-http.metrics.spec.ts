import { expect, it, vi } from 'vitest';
import { Metrics } from '../metrics/metrics.js';
import { OldHttpMetrics } from './old-http.metrics.js';

it('counts bytes by direction and by route, and their average', async () => {
  const metrics = new Metrics();
  const http = new OldHttpMetrics(metrics);
  http.answered({ method: 'POST', route: '/results', status: 200, received: 5_000, sent: 20 });
  http.answered({ method: 'POST', route: '/results', status: 500, received: 1_000, sent: 40 });
  http.answered({ method: 'GET', route: '/jobs', status: 200, received: 0, sent: 300 });
  const text = await metrics.registry.metrics();
  for (const line of [
    'scheduler_http_requests_total 3',
    'scheduler_http_bandwidth_bytes_total{direction="inbound"} 6000',
    'scheduler_http_bandwidth_bytes_total{direction="outbound"} 360',
    'scheduler_http_request_bytes_total{method="POST",endpoint="/results"} 6000',
    'scheduler_http_response_bytes_total{method="POST",endpoint="/results",status="500"} 40',
    'scheduler_http_request_size_bytes_bucket{le="1000",method="POST",endpoint="/results"} 1',
    'scheduler_http_request_size_bytes_bucket{le="1000000000",method="POST",endpoint="/results"} 2',
    'scheduler_http_response_size_bytes_sum{method="GET",endpoint="/jobs",status="200"} 300',
    'scheduler_http_request_size_bytes_avg 2000',
    'scheduler_http_response_size_bytes_avg 120',
  ])
    expect(text).toContain(`${line}\n`);
});

it('tells bytes a second between two looks', async () => {
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  const metrics = new Metrics();
  const http = new OldHttpMetrics(metrics);
  const rate = async (direction: string) => {
    const text = await metrics.registry.metrics();
    return new RegExp(`^scheduler_bandwidth_bytes_per_second\\{direction="${direction}"\\} (.*)$`, 'm').exec(
      text,
    )?.[1];
  };
  http.answered({ method: 'POST', route: '/results', status: 200, received: 5_000, sent: 20 });
  now = 10_000;
  expect(await rate('inbound')).toBe('500');
  http.answered({ method: 'POST', route: '/results', status: 200, received: 0, sent: 40 });
  now = 20_000;
  expect(await rate('outbound')).toBe('4');
  clock.mockRestore();
});
