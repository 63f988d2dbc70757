/** What the dashboards and alert rules of ffmpeg-rtmp ask Prometheus for: names, kinds and labels (facts/ffrtmp-wire.md, 13). */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMaster, type RunningMaster } from '../../src/api/start-master.js';
import { Settings } from '../../src/config/settings.js';
import { useDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { GoClient } from './go-client.js';

const KEY = 'a key for the tests of the old metrics';
const db = useDatabase();
let master: RunningMaster;

beforeAll(async () => {
  const settings = new Settings();
  settings.master_api_key = KEY;
  Object.assign(settings.database, { dsn: db.poolDsn, direct_dsn: db.dsn, migrate_dsn: db.dsn });
  Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
  settings.metrics.port = 0;
  settings.scheduler.scheduling_interval = 200;
  master = await startMaster(settings, pino({ level: 'silent' }));
  const agent = new GoClient({ url: master.url, key: KEY });
  const registered = await agent.insist('POST', '/nodes/register', '{"address":"a","cpu_threads":4}', 201);
  const { id } = JSON.parse(registered) as { id: string };
  await agent.insist('GET', `/jobs/next?node_id=${id}`, null);
  for (const engine of ['ffmpeg', 'gstreamer', 'auto']) {
    await agent.insist('POST', '/jobs', JSON.stringify({ scenario: 'x', engine }), 201);
    const { job } = JSON.parse(await agent.insist('GET', `/jobs/next?node_id=${id}`, null)) as {
      job: { id: string };
    };
    await agent.insist(
      'POST',
      '/results',
      JSON.stringify({ job_id: job.id, node_id: id, status: 'completed' }),
    );
  }
  agent.close();
});
afterAll(() => master.stop());

const PRIORITIES = ['high', 'medium', 'low'].map((priority) => ({ priority }));
const ENDPOINT = { method: 'POST', endpoint: '/results' };

/** By name: the kind, and label sets each of which must have a line. */
const CONTRACT: Readonly<Record<string, readonly [kind: string, ...labels: Record<string, string>[]]>> = {
  ffrtmp_jobs_total: ['counter', { state: 'pending' }, { state: 'processing' }, { state: 'completed' }],
  ffrtmp_active_jobs: ['gauge', {}],
  ffrtmp_queue_length: ['gauge', {}],
  ffrtmp_job_duration_seconds: ['gauge', {}],
  ffrtmp_job_wait_time_seconds: ['gauge', {}],
  ffrtmp_master_uptime_seconds: ['gauge', {}],
  ffrtmp_nodes_total: ['gauge', {}],
  ffrtmp_nodes_by_status: ['gauge', { status: 'available' }, { status: 'busy' }, { status: 'offline' }],
  ffrtmp_queue_by_priority: ['gauge', ...PRIORITIES],
  ffrtmp_queue_by_type: ['gauge', { type: 'live' }, { type: 'default' }, { type: 'batch' }],
  ffrtmp_schedule_attempts_total: [
    'counter',
    { result: 'success' },
    { result: 'no_jobs' },
    { result: 'error' },
  ],
  ffrtmp_jobs_by_engine: ['counter', { engine: 'ffmpeg' }, { engine: 'gstreamer' }, { engine: 'auto' }],
  ffrtmp_jobs_completed_by_engine: ['counter', { engine: 'ffmpeg' }, { engine: 'gstreamer' }],
  scheduler_http_bandwidth_bytes_total: ['counter', { direction: 'inbound' }, { direction: 'outbound' }],
  scheduler_http_requests_total: ['counter', {}],
  scheduler_http_request_size_bytes_avg: ['gauge', {}],
  scheduler_http_response_size_bytes_avg: ['gauge', {}],
  scheduler_http_request_bytes_total: ['counter', ENDPOINT],
  scheduler_http_response_bytes_total: ['counter', { ...ENDPOINT, status: '200' }],
  scheduler_http_request_size_bytes: ['histogram', { le: '100', ...ENDPOINT }],
  scheduler_http_response_size_bytes: ['histogram', { le: '100', ...ENDPOINT, status: '200' }],
  scheduler_bandwidth_bytes_per_second: ['gauge', { direction: 'inbound' }, { direction: 'outbound' }],
  db_connections_open: ['gauge', {}],
  db_connections_in_use: ['gauge', {}],
  db_connections_idle: ['gauge', {}],
  db_query_duration_seconds: ['histogram'],
  jobs_queued_total: ['gauge', {}],
};

it('are all there, of the kind and with the labels that they had', async () => {
  await eventually(
    async () => {
      const text = await (await fetch(`${master.metricsUrl}/metrics`)).text();
      const missing = Object.entries(CONTRACT).flatMap(([name, [kind, ...sets]]) => {
        const type = `# TYPE ${name} ${kind}`;
        const lines = sets.map((labels) => {
          const inside = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
          const suffix = kind === 'histogram' ? '_bucket' : '';
          return `${name}${suffix}${inside.length > 0 ? `{${inside.join(',')}}` : ''} `;
        });
        return [`${type}\n`, ...lines.map((line) => `\n${line}`)].filter((line) => !text.includes(line));
      });
      expect(missing).toEqual([]);
    },
    // Ended jobs are counted 10 s behind.
    { within: 25_000, every: 200 },
  );
});
