/** A master with `database.replica_dsn`, over a primary and a standby that streams from it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { startPostgresProxy } from '../../test/support/postgres-proxy.js';
import { startReplicationPair, type ReplicationPair } from '../../test/support/replication-pair.js';
import { Settings } from '../config/settings.js';
import { stopEmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { PooledDatabase } from '../database/pooled-database.js';
import { ReplicaMetrics } from '../database/replica.metrics.js';
import { ReplicaReads } from '../database/replica-reads.js';
import { statement } from '../database/statement.js';
import { Metrics } from '../metrics/metrics.js';
import { startMaster, type RunningMaster } from './start-master.js';

const KEY = 'a key for a master with a replica';
let pair: ReplicationPair;
let master: RunningMaster;
/** Superusers on the two servers. */
let onPrimary: pg.Client;
let onStandby: pg.Client;
const lines: string[] = [];

beforeAll(async () => {
  pair = await startReplicationPair({ log_statement: 'all' });
  const settings = new Settings();
  settings.master_api_key = KEY;
  settings.api.host = '127.0.0.1';
  settings.api.port = settings.metrics.port = 0;
  settings.database.dsn = settings.database.direct_dsn = settings.database.migrate_dsn = pair.primary.dsn;
  settings.database.replica_dsn = pair.standby.dsn;
  master = await startMaster(
    settings,
    pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg as string) }),
  );
  [onPrimary, onStandby] = [pair.primary, pair.standby].map(
    ({ adminDsn, dsn }) =>
      new pg.Client({
        connectionString: Object.assign(new URL(adminDsn), { pathname: new URL(dsn).pathname }).href,
      }),
  ) as [pg.Client, pg.Client];
  for (const client of [onPrimary, onStandby]) {
    client.on('error', () => undefined);
    await client.connect();
  }
});

afterAll(async () => {
  await master.stop();
  await Promise.all([onPrimary, onStandby].map((client) => client.end().catch(() => undefined)));
  await pair.stop();
});

async function call<Body = Record<string, unknown>>(method: string, path: string, body?: unknown) {
  const response = await fetch(`${master.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Body };
}

const jobsListed = async () => (await call<{ items: unknown[] }>('GET', '/api/v1/jobs')).body.items.length;
const depth = async () => {
  const { body } = await call<{ items: { name: string; depth: number }[] }>('GET', '/api/v1/queues');
  return body.items.find(({ name }) => name === 'default')?.depth;
};

async function figure(name: string): Promise<number | undefined> {
  const text = await (await fetch(`${master.metricsUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`ffrtmp_replica_${name} `));
  return line === undefined ? undefined : Number(line.split(' ')[1]);
}

async function pauseReplay(): Promise<void> {
  await onStandby.query('SELECT pg_wal_replay_pause()');
  await eventually(async () => {
    const { rows } = await onStandby.query('SELECT pg_get_wal_replay_pause_state() AS state');
    expect(rows).toEqual([{ state: 'paused' }]);
  });
}

/** Apart from the master's own. */
function openReads(dsn: string) {
  const metrics = new Metrics();
  const primary = new PooledDatabase({ dsn: pair.primary.dsn });
  const reads = new ReplicaReads({
    primary,
    replica: new PooledDatabase({ dsn, readWrite: false }),
    metrics: new ReplicaMetrics(metrics),
    log: pino({ level: 'silent' }),
  });
  const port = statement('Port', 'SELECT inet_server_port() AS port');
  return {
    metrics,
    look: () => reads.look(),
    readFrom: async () => (await reads.read((source) => source.query<{ port: number }>(port)))[0]?.port,
    close: async () => {
      await reads.onApplicationShutdown();
      await primary.close();
    },
  };
}

/** Texts that the master's role had the standby execute. */
async function executedOnStandby(): Promise<string[]> {
  const folder = join(pair.standby.directory, 'postgresql/data/log');
  const role = new URL(pair.standby.dsn).username;
  const logs = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')));
  return [
    ...logs
      .join('\n')
      .matchAll(/^\S+ \S+ \S+ \[\d+\] (\w+)@\w+ LOG: {2}(?:execute [^:]+|statement): (.*)$/gm),
  ]
    .filter(([, user]) => user === role)
    .map(([, , text]) => text ?? '');
}

describe('with a read replica', () => {
  it('lists and statistics come from it, what was just written from the primary', async () => {
    await eventually(async () => expect(await figure('up')).toBe(1), { within: 10_000 });
    expect(lines).toContain(`lists and statistics are read from the replica 127.0.0.1:${pair.standby.port}`);
    // While its replay stands still, the standby shows what was.
    await pauseReplay();
    try {
      const made = await call('POST', '/api/v1/jobs', { scenario: '720p-h264' });
      expect(made.status).toBe(201);
      expect((await call('GET', `/api/v1/jobs/${String(made.body.id)}`)).status).toBe(200);
      expect(await jobsListed()).toBe(0);
      expect(await depth()).toBe(0);
      // Who changes a queue is shown the queue as it is.
      expect((await call('POST', '/api/v1/queues/default/pause')).body).toMatchObject({
        paused: true,
        depth: 1,
      });
      await call('POST', '/api/v1/queues/default/resume');
    } finally {
      await onStandby.query('SELECT pg_wal_replay_resume()');
    }
    await eventually(async () => expect([await jobsListed(), await depth()]).toEqual([1, 1]), {
      within: 10_000,
    });
    expect(await figure('reads_total{server="replica"}')).toBeGreaterThan(3);
  });

  it('leaves it while it is more than ten seconds behind', async () => {
    const reads = openReads(pair.standby.dsn);
    try {
      await reads.look();
      expect(await reads.readFrom()).toBe(pair.standby.port);
      await pauseReplay();
      // The master writes the present time there once a second, so this may have to be said twice.
      await eventually(async () => {
        await onPrimary.query(
          `UPDATE ffmpeg_master.cluster_presence SET last_seen_at = last_seen_at + interval '15 seconds'`,
        );
        await reads.look();
        expect(await reads.readFrom()).toBe(pair.primary.port);
      });
      await onStandby.query('SELECT pg_wal_replay_resume()');
      await eventually(async () => {
        await reads.look();
        expect(await reads.readFrom()).toBe(pair.standby.port);
      });
    } finally {
      await onStandby.query('SELECT pg_wal_replay_resume()');
      await reads.close();
    }
  });

  it('sends it nothing else', async () => {
    await call('GET', '/api/v1/nodes');
    await call('GET', '/api/v1/cluster');
    const ours = [
      /^BEGIN$/,
      /^COMMIT$/,
      /^SELECT pg_is_in_recovery\(\)/,
      /last_seen_at.*cluster_presence/,
      /^SELECT inet_server_port/,
      /^SELECT d\.\*, w\.walk/,
      /^SELECT q\.name, w\.waiting/,
    ];
    const executed = await executedOnStandby();
    for (const one of ours) expect(executed.some((text) => one.test(text))).toBe(true);
    expect(executed.filter((text) => !ours.some((one) => one.test(text)))).toEqual([]);
  });

  it('answers from the primary once the replica is gone, with one line in the log, and stays ready', async () => {
    await eventually(async () => expect(await figure('up')).toBe(1), { within: 10_000 });
    const before = lines.length;
    await stopEmbeddedPostgres(pair.standby.directory);
    expect(await jobsListed()).toBe(1);
    expect(await depth()).toBe(1);
    expect(await figure('up')).toBe(0);
    expect((await call('GET', '/health/ready')).status).toBe(200);
    const told = lines.slice(before).filter((line) => line.startsWith('lists and statistics'));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/are read from the primary, since the replica/);
  });
});

describe('a server of database.replica_dsn', () => {
  it.each(['the primary itself', 'a pooler'])('may be %s', async (which) => {
    const proxy = await startPostgresProxy(pair.primary.dsn, { likePooler: which === 'a pooler' });
    const reads = openReads(proxy.dsn);
    try {
      // A busy machine may let a look be too late; the next one mends that.
      await eventually(async () => {
        await reads.look();
        expect(await reads.readFrom()).toBe(pair.primary.port);
        expect(await reads.metrics.registry.metrics()).toMatch(
          /ffrtmp_replica_reads_total\{server="replica"\} [1-9]/,
        );
      });
    } finally {
      await reads.close();
      await proxy.close();
    }
  });
});
