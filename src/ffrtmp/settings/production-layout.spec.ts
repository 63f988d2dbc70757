import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSettings } from '../../config/load-settings.js';
import { productionLayout } from './production-layout.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'ffrtmp-layout-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(yaml: string, env: NodeJS.ProcessEnv = {}, note?: (text: string) => void) {
  const configFile = join(folder, 'master.yaml');
  writeFileSync(configFile, yaml);
  return loadSettings({ configFile, env, layout: (content) => productionLayout(content, env, note) });
}

/** The sections of the production file, with what can be honoured. */
const PRODUCTION = `
server: {host: 0.0.0.0, port: 8443, read_timeout: 30s, write_timeout: 30s, shutdown_timeout: 30s}
database:
  type: postgres
  host: db.internal
  port: 6432
  database: ffmpeg_rtmp
  user: ffmpeg
  password: \${DB_PASSWORD}
  ssl_mode: require
  max_connections: 100
  max_idle_connections: 10
  connection_max_lifetime: 3600s
logging: {level: INFO, format: json, output: stdout}
api: {rate_limit: 1000, burst: 2000, enable_cors: false, trusted_proxies: [10.0.0.0/8]}
worker: {heartbeat_timeout: 90s, max_missed_heartbeats: 3, cleanup_interval: 60s}
job: {default_timeout: 7200s, max_retries: 3, cleanup_retention: 720h, archive_completed: true}
metrics: {enabled: true, port: 9090, path: /metrics}
tls: {enabled: true, cert_file: a.crt, key_file: a.key, client_ca_file: ca.pem, verify_client: false}
alerting: {enabled: false, webhook_url: https://hooks.internal/x}
backup: {enabled: false, schedule: daily, retention_days: 30, backup_path: /backup}
`;

describe('the production layout', () => {
  it('is read whole', () => {
    const settings = load(PRODUCTION, { DB_PASSWORD: 'p@ss/word' });
    expect(settings).toMatchObject({
      api: {
        host: '0.0.0.0',
        port: 8443,
        tls_enabled: true,
        tls_cert_path: 'a.crt',
        tls_key_path: 'a.key',
        rate_limit: 1000,
        trusted_proxies: ['10.0.0.0/8'],
      },
      database: {
        type: 'postgres',
        dsn: 'postgresql://ffmpeg:p%40ss%2Fword@db.internal:6432/ffmpeg_rtmp?sslmode=require',
        max_open_conns: 100,
        max_idle_conns: 10,
        conn_max_lifetime: 3_600_000,
      },
      logging: { level: 'info', format: 'json' },
      timeouts: { heartbeat_timeout: 90_000, running_timeout_base: 7_200_000, running_timeout_per_minute: 0 },
      scheduler: { cleanup_interval: 60_000 },
      retry: { max_retries: 3 },
      retention: { history: 720 * 3_600_000 },
      metrics: { port: 9090 },
    });
    expect(settings.api.client_ca_path).toBeUndefined();
  });

  it('says of each key that has another effect than it says, or none', () => {
    const notes: string[] = [];
    load(PRODUCTION, { DB_PASSWORD: 'x' }, (text) => notes.push(text));
    expect(notes.map((note) => note.split(' ')[0])).toEqual([
      'server.write_timeout',
      'server.shutdown_timeout',
      'worker.max_missed_heartbeats',
      'job.default_timeout',
      'job.archive_completed',
    ]);
    notes.length = 0;
    load('server: {read_timeout: 60s}\njob: {archive_completed: false}', {}, (text) => notes.push(text));
    expect(notes).toEqual([expect.stringMatching(/^server\.read_timeout is 30s all the same/)]);
  });

  it('gives way to the environment, as every file does', () => {
    expect(load(PRODUCTION, { API_PORT: '9443', DB_PASSWORD: 'x' }).api.port).toBe(9443);
  });

  it('takes numbers for seconds, and clients’ certificates where they are verified', () => {
    const { timeouts, api } = load(
      'worker: {heartbeat_timeout: 120}\ntls: {enabled: true, cert_file: a, key_file: b, client_ca_file: ca.pem, verify_client: true}',
    );
    expect(timeouts.heartbeat_timeout).toBe(120_000);
    expect(api.client_ca_path).toBe('ca.pem');
  });

  it.each([
    ['server: {port: 80, read_timeout: 5s}', /server\.read_timeout.*30s or more/],
    ['server: {port: 0.5}', /api\.port is 0\.5 \(server\.port in/],
    ['server: {prot: 80}', /server\.prot.*one of host, port/],
    ['server: [1]', /server.*a mapping with the keys host/],
    ['server: {}\nsevrer: {}', /sevrer.*one of the sections/],
    ['server: {}\nlogging: {output: /var/log/x.log}', /logging\.output.*standard output/],
    ['server: {}\napi: {enable_cors: true}', /api\.enable_cors.*proxy/],
    ['server: {}\nmetrics: {enabled: false}', /metrics\.enabled.*always served/],
    ['server: {}\nmetrics: {path: /m}', /metrics\.path.*\/metrics/],
    ['tls: {verify_client: true}', /tls\.verify_client.*client_ca_file/],
    ['alerting: {enabled: true}', /alerting\.enabled.*Prometheus/],
    ['backup: {enabled: true}', /backup\.enabled.*pg_dump/],
    ['job: {archive_completed: true, archive_path: /x}', /job\.archive_path.*retention\.history/],
    ['job: {default_timeout: soon}', /timeouts\.running_timeout_base.*job\.default_timeout/],
    ['database: {type: sqlite, host: x, database: d}', /import --from sqlite/],
  ])('%j is refused, with the reason', (yaml, why) => {
    expect(() => load(yaml)).toThrow(why);
  });

  it('shows no password', () => {
    const yaml =
      'database: {type: postgres, host: "db internal", database: d, user: u, password: "se cret", ssl_mode: maybe}';
    expect(() => load(yaml)).toThrow(/database\.dsn/);
    expect(() => load(yaml)).not.toThrow(/se.{0,3}cret/);
  });

  it('is told from ours, the sample for PostgreSQL among it', () => {
    const sample = `
database: {type: postgres, dsn: "postgresql://u:p@h/d", max_open_conns: 25, max_idle_conns: 5, conn_max_lifetime: 5m, conn_max_idle_time: 1m}
api: {port: 8080, tls_enabled: true, tls_cert_path: certs/master.crt, tls_key_path: certs/master.key}
scheduler: {enabled: true, scheduling_interval: 5s, cleanup_interval: 30s, health_check_interval: 10s}
retry: {max_retries: 3, initial_backoff: 5s, max_backoff: 5m, backoff_multiplier: 2}
timeouts: {assigned_timeout: 30s, running_timeout_base: 5m, running_timeout_per_minute: 30s, heartbeat_timeout: 90s}
workers: {heartbeat_timeout: 90s, recovery_check_interval: 30s}
`;
    expect(load(sample)).toMatchObject({
      database: { type: 'postgres' },
      workers: { recovery_check_interval: 30_000 },
    });
    for (const content of [null, [], 'text', {}, { api: {} }, { database: { dsn: 'x' } }])
      expect(productionLayout(content, {})).toBeUndefined();
  });
});
