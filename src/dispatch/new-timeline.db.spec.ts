import { afterEach, beforeEach, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster } from '../../test/support/dispatch-master.js';
import { LocalSignals } from '../../test/support/local-signals.js';

const db = useDatabase();
let signals: LocalSignals;
let master: DispatchMaster;

beforeEach(async () => {
  signals = new LocalSignals();
  master = await new DispatchMaster(db.database, signals).start();
  await termBegan();
});

afterEach(() => master.stop());

/** As the start of a term writes it. */
async function termBegan(): Promise<void> {
  await db.pool.query(
    `UPDATE ffmpeg_master.leadership
     SET timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8), relation_oid = 'ffmpeg_master.leadership'::regclass`,
  );
}

// A standby that was promoted writes on another timeline; a dump that was restored made the table anew.
it.each([
  ['promoted', `timeline = 'FFFFFFFF'`],
  ['restored from a dump', 'relation_oid = 1'],
])(
  'a database that was %s gives no token until a term began on it, and then goes on (I2, F7)',
  async (_, lost) => {
    const node = await master.node();
    await db.pool.query(`UPDATE ffmpeg_master.leadership SET ${lost}`);
    const waiting = master.claim(node, { wait_seconds: 20 });
    // Looked up together with the first, which stays parked: jobs that come now would be handed to it.
    expect(await master.claim(node)).toEqual([]);
    const { id } = await master.submit();
    expect(await master.claim(node)).toEqual([]);
    const { rows } = await db.pool.query('SELECT status FROM ffmpeg_master.jobs WHERE id = $1', [id]);
    expect(rows).toEqual([{ status: 'queued' }]);

    await termBegan();
    signals.resync();
    expect(await waiting).toMatchObject([{ id }]);
  },
);
