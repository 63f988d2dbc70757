/** A database that restarts, fails over, is full of connections or of old snapshots, and loses its sessions. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { debianBinaries } from '../rig/debian-server.js';
import type { ChaosFault, Stage } from './chaos-fault.js';

export const DATABASE_FAULTS: readonly ChaosFault[] = [
  {
    name: 'F5 random backends terminated',
    // Which of them follows from the seed, as far as the server's processes allow.
    inject: async (stage) =>
      terminated(stage, `application_name LIKE 'ffmpeg-master%'`, () => stage.rig.random.next() < 0.4),
  },
  {
    name: 'F5 lock sessions terminated',
    inject: async (stage) => terminated(stage, `application_name = 'ffmpeg-master lock'`),
  },
  {
    name: 'F5 listeners terminated',
    inject: async (stage) => terminated(stage, `application_name = 'ffmpeg-master listener'`),
  },
  ...(['fast', 'immediate'] as const).map((mode): ChaosFault => ({
    name: `F6 PostgreSQL ${mode} restart`,
    excludes: 'database',
    inject: async ({ pair, lasts, between }) => {
      const milliseconds = between(0, 3_000);
      await pair.primary.halt(mode);
      await lasts(milliseconds);
      await pair.primary.start();
      return `away for ${milliseconds} ms`;
    },
  })),
  {
    name: 'F6 PostgreSQL killed',
    excludes: 'database',
    inject: async ({ pair }) => {
      await pair.primary.kill();
      await pair.primary.start();
      return 'started again';
    },
  },
  {
    name: 'F6 PostgreSQL away for longer than a lease',
    excludes: 'database',
    inject: async ({ pair, lasts }) => {
      await pair.primary.halt('fast');
      await lasts(8_000);
      await pair.primary.start();
      return 'away for 8 s';
    },
  },
  {
    name: 'F7 standby promoted, old primary read-only',
    excludes: 'database',
    inject: async ({ pair, lasts }) => {
      await pair.streams();
      await pair.makePrimaryReadOnly();
      await pair.promote();
      await lasts(2_000);
      await pair.rejoin();
      return `now on ${pair.primary.port}`;
    },
  },
  {
    name: 'F7 standby promoted, old primary gone',
    excludes: 'database',
    inject: async ({ pair }) => {
      await pair.streams();
      await pair.primary.halt('immediate');
      await pair.promote();
      await pair.rejoin();
      return `now on ${pair.primary.port}`;
    },
  },
  {
    name: 'F10 no connections left',
    excludes: 'database',
    inject: async ({ pair, lasts }) => {
      const hoarded: pg.Client[] = [];
      try {
        await hoard(pair.dsn([pair.primary.address]), hoarded);
        await lasts(3_000);
      } finally {
        await Promise.all(hoarded.map((client) => client.end().catch(() => undefined)));
      }
      return hoarded.length > 0 ? `${hoarded.length} connections hoarded` : undefined;
    },
  },
  {
    name: 'F11 a transaction left idle',
    excludes: 'database',
    inject: async ({ pair, lasts, between }) => {
      const client = new pg.Client({ connectionString: pair.adminDsn([pair.primary.address]) });
      client.on('error', () => undefined);
      await client.connect();
      const milliseconds = between(3_000, 10_000);
      try {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
        await client.query('SELECT count(*), pg_current_xact_id() FROM ffmpeg_master.jobs');
        await lasts(milliseconds);
        const { rows } = await client.query('SELECT count(*) FROM ffmpeg_master.job_events');
        expect(rows).toHaveLength(1);
      } finally {
        await client.end().catch(() => undefined);
      }
      return `for ${milliseconds} ms`;
    },
  },
  {
    name: 'F11 a pg_dump left open',
    excludes: 'database',
    inject: async ({ pair, lasts, between }) => {
      const dump = spawn(
        `${debianBinaries}/pg_dump`,
        ['-f', '/dev/null', pair.adminDsn([pair.primary.address])],
        { stdio: 'ignore' },
      );
      const ended = once(dump, 'close');
      const milliseconds = between(3_000, 10_000);
      const snapshots = () =>
        pair.primary.sql(
          `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
           WHERE a.application_name = 'pg_dump' AND l.relation = 'ffmpeg_master.jobs'::regclass`,
        );
      try {
        await eventually(async () => expect(await snapshots()).not.toBe('0'), { within: 5_000, every: 5 });
        dump.kill('SIGSTOP');
        await lasts(milliseconds);
        if ((await snapshots()) === '0') return undefined;
      } catch {
        // It was over before anybody looked, or the database is away.
        return undefined;
      } finally {
        dump.kill('SIGKILL');
        await ended;
      }
      return `for ${milliseconds} ms`;
    },
  },
  {
    name: 'F19 claims too slow for their timeout',
    excludes: 'database',
    inject: async ({ rig, pair, lasts }) => {
      const before = timeouts(await rig.database.logs());
      await pair.primary.sql(
        `CREATE OR REPLACE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN PERFORM pg_sleep(30); RETURN NEW; END'`,
      );
      const on = 'CREATE OR REPLACE TRIGGER slow BEFORE INSERT ON ffmpeg_master.leases';
      await pair.primary.sql(`${on} FOR EACH ROW EXECUTE FUNCTION public.slow()`);
      await lasts(7_000);
      await pair.primary.sql('DROP TRIGGER slow ON ffmpeg_master.leases');
      const after = timeouts(await rig.database.logs());
      return after > before ? `${after - before} statements timed out` : undefined;
    },
  },
];

/** Those of them that are chosen; by default all. */
async function terminated(
  { pair }: Stage,
  where: string,
  chosen: () => boolean = () => true,
): Promise<string | undefined> {
  const found = await pair.primary.sql(`SELECT pid FROM pg_stat_activity WHERE ${where} ORDER BY pid`);
  const pids = found.split('\n').filter((pid) => pid !== '' && chosen());
  const ended = await pair.primary.sql(
    `SELECT count(*) FROM unnest('{${pids.join(',')}}'::int[]) pid WHERE pg_terminate_backend(pid)`,
  );
  return ended === '0' ? undefined : `${ended} backends`;
}

/** Takes connections until the server refuses one because all are taken; any other refusal is another fault's. */
async function hoard(connectionString: string, hoarded: pg.Client[]): Promise<void> {
  for (;;) {
    const client = new pg.Client({ connectionString });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      if ((error as { code?: string }).code === '53300') return;
      throw error;
    }
    hoarded.push(client);
  }
}

function timeouts(log: string): number {
  return log.split('canceling statement due to statement timeout').length - 1;
}
