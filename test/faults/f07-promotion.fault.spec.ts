import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { hasDebianPostgres } from './rig/debian-server.js';
import { describeWhere } from './rig/needs.js';
import { Rig } from './rig/rig.js';
import { StandbyPair } from './rig/standby-pair.js';

describeWhere('a streaming pair', hasDebianPostgres() ? [] : ['postgresql-15'], () => {
  let rig: Rig;
  let pair: StandbyPair;

  beforeAll(async () => {
    pair = await StandbyPair.start({ synchronous: true });
    rig = await Rig.start({ masters: 2, database: pair });
  });

  afterAll(() => rig.stop());

  it('is promoted while the old primary stays reachable, read-only: masters leave it and lose nothing (F7, I1, I2, I4)', async () => {
    await rig.read();
    rig.addWorkers(3, { roams: true });
    rig.load({ perSecond: 10 });
    await worksOn();
    const [before] = await rig.query<{ epoch: number }>(
      'SELECT epoch::float8 AS epoch FROM ffmpeg_master.leadership',
    );

    await pair.makePrimaryReadOnly();
    await pair.promote();
    // The fault: the old primary is there, is no standby, and takes no writes.
    const old = await pair.standby.sql(
      `SELECT pg_is_in_recovery()::text || ' ' || current_setting('transaction_read_only')`,
    );
    expect(old).toBe('false on');
    rig.history.fault('F7', 'promoted the standby; the old primary is read-only');

    await worksOn();
    const [after] = await rig.query<{ epoch: number }>(
      'SELECT epoch::float8 AS epoch FROM ffmpeg_master.leadership',
    );
    expect(after?.epoch).toBeGreaterThan(before?.epoch ?? Infinity);
    for (const master of rig.masters) await master.ready();
    await eventually(async () => {
      const left = await pair.standby.sql(
        `SELECT application_name, state, now() - xact_start, query FROM pg_stat_activity
         WHERE application_name LIKE 'ffmpeg-master%' AND state <> 'idle'
           -- A commit that waits for a standby which is none any more: nobody was told of it, and nobody will be.
           AND wait_event IS DISTINCT FROM 'SyncRep'`,
      );
      expect(left).toBe('');
    });
    await rig.peace();
  });

  /** Until jobs end that did not before. */
  async function worksOn(): Promise<void> {
    const done = async () => {
      const sql = 'SELECT count(*)::int AS n FROM ffmpeg_master.job_history';
      return (await rig.query<{ n: number }>(sql))[0]?.n ?? 0;
    };
    const before = await eventually(done, { within: 20_000 });
    await eventually(async () => expect(await done()).toBeGreaterThan(before + 20), { within: 20_000 });
  }
});
