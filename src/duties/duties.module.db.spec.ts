/** Signals, leadership and duties as Nest puts them together, from start to shutdown. */
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { Settings } from '../config/settings.js';
import { Database } from '../database/database.js';
import { PooledDatabase } from '../database/pooled-database.js';
import { Leadership } from '../leadership/leadership.js';
import { MasterIdentity } from '../leadership/master-identity.js';
import { MastersService } from '../leadership/masters.service.js';
import { LOGGER } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { Signals } from '../signals/signals.js';
import { DutiesModule } from './duties.module.js';

const database = useDatabase();

describe('a master put together by Nest', () => {
  it('listens, leads, does its duties and is on the list; at its end nothing of it is left', async () => {
    const pool = new PooledDatabase({ dsn: database.dsn });
    const settings = new Settings();
    settings.database.direct_dsn = database.dsn;
    settings.queues = { batch: { max_running: 3 } };

    @Global()
    @Module({
      providers: [
        { provide: Settings, useValue: settings },
        { provide: Database, useValue: pool },
        { provide: LOGGER, useValue: pino({ level: 'silent' }) },
      ],
      exports: [Settings, Database, LOGGER],
    })
    class Ground {}

    const master = await Test.createTestingModule({
      imports: [Ground, MetricsModule, DutiesModule],
    }).compile();
    await master.init();
    const leadership = master.get(Leadership, { strict: false });
    const signals = master.get(Signals, { strict: false });
    await eventually(() => expect(leadership.isLeader()).toBe(true));
    await eventually(() => expect(signals.listenerState).toBe('up'));
    await eventually(async () => {
      const { rows } = await database.pool.query('SELECT queue FROM ffmpeg_master.queue_counters');
      expect(rows).toEqual([{ queue: 'batch' }]);
    });
    await eventually(async () => {
      const text = await master.get(Metrics, { strict: false }).registry.metrics();
      for (const duty of [
        'partitions-and-prune',
        'requeue-expired-leases',
        'cluster-figures',
        'vacuum-hot-tables',
      ]) {
        expect(text).toContain(`ffrtmp_duty_runs_total{duty="${duty}",outcome="done"}`);
      }
      expect(text).not.toContain('outcome="failed"');
      expect(text).toContain('ffrtmp_nodes_total 0');
    });
    const { id } = master.get(MasterIdentity, { strict: false });
    await eventually(async () => {
      expect(await master.get(MastersService, { strict: false }).cluster()).toMatchObject({
        leader: id,
        masters: [{ id, leader: true, listener: 'up' }],
      });
    });

    const order: string[] = [];
    leadership.onTermEnd(() => order.push(`resigned while the listener is ${signals.listenerState}`));
    const started = performance.now();
    await master.close();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(order).toEqual(['resigned while the listener is up']);
    expect(leadership.isLeader()).toBe(false);
    expect(signals.listenerState).toBe('degraded');
    const { rows: masters } = await database.pool.query('SELECT FROM ffmpeg_master.masters');
    expect(masters).toEqual([]);
    await pool.close();
    await eventually(async () => {
      const { rows } = await database.pool.query(
        `SELECT application_name FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'ffmpeg-master%'`,
      );
      expect(rows).toEqual([]);
    });
  });
});
