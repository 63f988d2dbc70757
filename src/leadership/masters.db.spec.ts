import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { Settings } from '../config/settings.js';
import { PooledDatabase } from '../database/pooled-database.js';
import { MasterIdentity } from './master-identity.js';
import { MastersRepository } from './masters.repository.js';
import { MastersService } from './masters.service.js';

const database = useDatabase();
let pool: PooledDatabase;
let repository: MastersRepository;
const settings = new Settings();

beforeEach(() => {
  pool = new PooledDatabase({ dsn: database.dsn });
  repository = new MastersRepository(pool);
});
afterEach(async () => {
  await database.pool.query('DELETE FROM ffmpeg_master.masters');
  await database.pool.query('DELETE FROM ffmpeg_master.master_presence');
  await pool.close();
});

const lastSeen = (ago: string) =>
  database.pool.query(
    `UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = NULL, last_seen_at = clock_timestamp() - $1::interval`,
    [ago],
  );

async function outageEndedAgo(): Promise<number | null> {
  const { rows } = await database.pool.query(
    `SELECT extract(epoch FROM clock_timestamp() - outage_ended_at)::float8 AS ago,
            extract(epoch FROM clock_timestamp() - last_seen_at)::float8 AS seen FROM ffmpeg_master.cluster_presence`,
  );
  expect(rows[0].seen).toBeLessThan(1);
  return rows[0].ago;
}

describe('a sign of life', () => {
  it('ends an outage where no master was seen for over 5 s', async () => {
    await lastSeen('6 seconds');
    await repository.see(new MasterIdentity(settings), 'up');
    expect(await outageEndedAgo()).toBeLessThan(1);
  });

  it('is no end of an outage where any master was seen within 5 s', async () => {
    await lastSeen('4 seconds');
    await repository.see(new MasterIdentity(settings), 'up');
    expect(await outageEndedAgo()).toBeNull();
  });

  it('finds the gap once when all masters come back together', async () => {
    await lastSeen('10 minutes');
    const masters = Array.from({ length: 20 }, () => new MasterIdentity(settings));
    await Promise.all(masters.map((master) => repository.see(master, 'up')));
    const { rows } = await database.pool.query(
      `SELECT (SELECT count(DISTINCT seen_at)::int FROM ffmpeg_master.master_presence WHERE seen_at <= outage_ended_at) AS before,
              outage_ended_at FROM ffmpeg_master.cluster_presence`,
    );
    const ended = rows[0].outage_ended_at as Date;
    await Promise.all(masters.map((master) => repository.see(master, 'up')));
    const { rows: later } = await database.pool.query(
      'SELECT outage_ended_at FROM ffmpeg_master.cluster_presence',
    );
    expect(later[0].outage_ended_at).toEqual(ended);
    expect(await repository.list()).toHaveLength(20);
  });
});

describe('the list of masters', () => {
  it('shows what each one is, who leads, and leaves out who is long gone', async () => {
    const [leader, follower, gone] = [
      new MasterIdentity(settings),
      new MasterIdentity(settings),
      new MasterIdentity(settings),
    ];
    await repository.see(leader, 'up');
    await repository.see(follower, 'degraded');
    await repository.see(gone, 'up');
    await database.pool.query(
      `UPDATE ffmpeg_master.master_presence SET seen_at = clock_timestamp() - interval '2 minutes' WHERE master_id = $1`,
      [gone.id],
    );
    await database.pool.query('UPDATE ffmpeg_master.leadership SET epoch = 7, master_id = $1', [leader.id]);

    const service = new MastersService(leader, repository, new LocalSignals(), pino({ level: 'silent' }));
    const cluster = await service.cluster();
    expect(cluster).toMatchObject({ epoch: 7, leader: leader.id });
    expect(cluster.masters).toHaveLength(2);
    expect(cluster.masters).toContainEqual({
      id: leader.id,
      name: leader.name,
      host: leader.host,
      pid: process.pid,
      url: leader.url,
      version: leader.version,
      started_at: leader.started_at,
      seen_at: expect.any(Date),
      leader: true,
      listener: 'up',
    });
    expect(cluster.masters).toContainEqual(
      expect.objectContaining({ id: follower.id, leader: false, listener: 'degraded' }),
    );
  });

  it('names no leader that was not seen for 5 s', async () => {
    const leader = new MasterIdentity(settings);
    await repository.see(leader, 'up');
    await database.pool.query('UPDATE ffmpeg_master.leadership SET epoch = 8, master_id = $1', [leader.id]);
    await database.pool.query(
      `UPDATE ffmpeg_master.master_presence SET seen_at = clock_timestamp() - interval '6 seconds'`,
    );
    const service = new MastersService(leader, repository, new LocalSignals(), pino({ level: 'silent' }));
    expect(await service.cluster()).toMatchObject({ epoch: 8, leader: null });
  });

  it('has a master from its start to its end, and again after its row was removed', async () => {
    const identity = new MasterIdentity(settings);
    const service = new MastersService(identity, repository, new LocalSignals(), pino({ level: 'silent' }));
    service.onApplicationBootstrap();
    await eventually(async () => expect(await service.list()).toHaveLength(1));
    await database.pool.query('DELETE FROM ffmpeg_master.masters');
    await eventually(async () => expect(await service.list()).toHaveLength(1));
    await service.onApplicationShutdown();
    expect(await service.list()).toEqual([]);
  });
});
