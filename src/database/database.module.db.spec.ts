import { Global, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { startPostgresProxy } from '../../test/support/postgres-proxy.js';
import { Settings } from '../config/settings.js';
import { LOGGER } from '../logging/logger.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { DatabaseStartup } from './database-startup.js';
import { Database } from './database.js';
import { DatabaseModule } from './database.module.js';
import { PooledDatabase } from './pooled-database.js';
import { isConnectionLost } from './sql-errors.js';
import { statement } from './statement.js';

const countJobs = statement('CountJobs', 'SELECT count(*) AS count FROM ffmpeg_master.jobs');

describe('DatabaseModule', () => {
  const empty = useDatabase({ migrated: false });
  const lines: string[] = [];
  let running: TestingModule | undefined;

  async function start(database: Partial<Settings['database']>): Promise<TestingModule> {
    const settings = new Settings();
    Object.assign(settings.database, { type: 'postgres' }, database);
    const logger = pino({}, { write: (line: string) => void lines.push(line) });

    @Global()
    @Module({
      providers: [
        { provide: Settings, useValue: settings },
        { provide: LOGGER, useValue: logger },
      ],
      exports: [Settings, LOGGER],
    })
    class Ground {}

    running = await Test.createTestingModule({ imports: [Ground, MetricsModule, DatabaseModule] }).compile();
    await running.init();
    return running;
  }

  afterEach(async () => {
    await running?.close();
    running = undefined;
  });

  it('brings an empty database up, gives the pool to repositories and closes it at the end', async () => {
    const module = await start({ dsn: empty.dsn, max_open_conns: 3 });
    expect(module.get(DatabaseStartup).phase).toBe('ready');
    const database = module.get(Database);
    expect(await database.query(countJobs)).toEqual([{ count: 0 }]);
    await module.close();
    await expect(database.query(countJobs)).rejects.toThrow('shutting down');
  });

  it('refuses to start with a pooler as direct_dsn', async () => {
    const proxy = await startPostgresProxy(empty.dsn, { likePooler: true });
    try {
      await expect(start({ dsn: proxy.dsn })).rejects.toThrow(/database\.direct_dsn is a connection pooler/);
    } finally {
      await proxy.close();
    }
  });

  it('waits for a database that is down, says so without its password, and begins when it comes', async () => {
    const first = await startPostgresProxy(empty.dsn);
    await first.close();
    const { dsn } = first;
    const warnings: string[] = [];
    const startup = new DatabaseStartup({
      dsn,
      directDsn: dsn,
      migrateDsn: dsn,
      log: { info: () => undefined, warn: (line) => warnings.push(line) },
      retryEvery: 20,
    });
    const database = new PooledDatabase({ dsn, gate: startup.whyNotReady });
    await startup.begin(database, 50);
    expect(startup.phase).toBe('connecting');
    expect(isConnectionLost(await database.query(countJobs).catch((error: unknown) => error))).toBe(true);
    const { port, password } = new URL(dsn);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(new RegExp(`^waiting for the database: .*127.0.0.1:${port}: .*ECONNREFUSED`));
    expect(warnings[0]).not.toContain(password);

    const proxy = await startPostgresProxy(empty.dsn, { port: Number(port) });
    try {
      await startup.whenReady();
      expect(await database.query(countJobs)).toEqual([{ count: 0 }]);
    } finally {
      startup.stop();
      await database.close();
      await proxy.close();
    }
  });
});
