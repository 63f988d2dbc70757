import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { debianBinaries, hasDebianPostgres } from './rig/debian-server.js';
import { describeWhere } from './rig/needs.js';
import { Rig } from './rig/rig.js';
import { effort } from './selection.js';

/** How long the transaction is left idle. */
const IDLE_MS = effort() === 'full' ? 120_000 : 12_000;
const READERS = 4;

describeWhere('snapshots that are kept', hasDebianPostgres() ? [] : ['postgresql-15'], () => {
  let rig: Rig;
  let dump: ChildProcess | undefined;
  const clients: pg.Client[] = [];

  beforeAll(async () => {
    rig = await Rig.start({ masters: 2 });
  });

  afterAll(async () => {
    dump?.kill('SIGKILL');
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    await rig.stop();
  });

  it('a transaction idle for minutes, REPEATABLE READ readers and a pg_dump left open: work goes on (F11, I1, I2, I10)', async () => {
    await rig.read();
    rig.addWorkers(4, { roams: true, workMs: () => 5 });
    rig.load({ perSecond: 30 });
    await rig.worksOn();

    // A transaction that has written, so that it holds back the horizon of the event stream too.
    const idle = await session();
    await idle.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await idle.query('SELECT count(*), pg_current_xact_id() FROM ffmpeg_master.jobs');
    // A dump locks all tables in the order they were made: at this one it waits with its snapshot, however fast it is.
    const wall = await session();
    await wall.query('CREATE TABLE public.wall ()');
    await wall.query('BEGIN');
    await wall.query('LOCK TABLE public.wall');
    dump = spawn(
      `${debianBinaries}/pg_dump`,
      ['-f', '/dev/null', rig.database.adminDsn(rig.database.direct)],
      {
        stdio: 'ignore',
      },
    );
    const dumping = await eventually(
      async () => {
        const locks = await rig.admin<{ pid: number }>(
          `SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
           WHERE a.application_name = 'pg_dump' AND l.relation = 'public.wall'::regclass AND NOT l.granted`,
        );
        expect(locks).not.toEqual([]);
        return locks[0]?.pid;
      },
      { within: 30_000 },
    );
    dump.kill('SIGSTOP');
    await wall.query('ROLLBACK');
    rig.history.fault('F11', 'a transaction is left open, and so is a pg_dump');

    const until = performance.now() + IDLE_MS;
    const reading = Array.from({ length: READERS }, () => readAgainAndAgain(until));
    await Promise.all([rig.worksOn(20), ...reading]);
    // The fault was there until now.
    const [old] = await rig.admin<{ seconds: number; dumps: number }>(
      `SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::float8 AS seconds,
              count(*) FILTER (WHERE pid = $1 AND backend_xmin IS NOT NULL)::int AS dumps
       FROM pg_stat_activity WHERE backend_xmin IS NOT NULL`,
      [dumping],
    );
    expect(old?.seconds).toBeGreaterThan(IDLE_MS / 1000);
    expect(old?.dumps).toBe(1);
    await rig.worksOn(50);
    const lines = rig.masters
      .flatMap(({ program }) => program.output.split('\n'))
      .filter((line) => /a duty failed/.test(line));
    // What a snapshot does to a duty it does at each of its runs; one alone may meet the bounds of a machine that stands still.
    for (const { duty, failed } of await dutiesFailed())
      expect(failed, `${duty} failed:\n${lines.join('\n')}`).toBeLessThanOrEqual(1);

    await idle.query('COMMIT');
    dump.kill('SIGKILL');
    await rig.peace();
  });

  async function session(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: rig.database.adminDsn(rig.database.direct) });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  }

  async function readAgainAndAgain(until: number): Promise<void> {
    const client = await session();
    while (performance.now() < until) {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      const read = async () => {
        const { rows } = await client.query<{ n: string }>(
          'SELECT count(*) AS n FROM ffmpeg_master.job_events',
        );
        return rows[0]?.n;
      };
      const first = await read();
      await pause(rig.random.below(3_000));
      expect(await read()).toBe(first);
      await client.query('COMMIT');
    }
  }

  /** Of the duties that move jobs: dropping partitions may wait for a dump. */
  async function dutiesFailed(): Promise<{ duty: string; failed: number }[]> {
    const leader = await rig.leader();
    const { text } = await leader.ask(`${leader.metricsUrl}/metrics`);
    return [...text.matchAll(/^ffrtmp_duty_runs_total\{duty="([^"]+)",outcome="failed"\} (\d+)$/gm)]
      .filter(([, duty = '']) => /requeue|promote|time_out|time-out/.test(duty))
      .map(([, duty = '', count]) => ({ duty, failed: Number(count) }));
  }
});
