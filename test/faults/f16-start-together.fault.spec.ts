/**
 * Twenty masters at once: on an empty database, and on the schema of the previous release with jobs in it. Each migration
 * is applied by one of them, and all of them come up. And a master that is killed while it migrates: nothing of what it
 * did is left, and the next one does it all.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { migrationStatus } from '../../src/database/migrations.js';
import { call } from '../e2e/support/api.js';
import { KEY, leads, spawnMaster, untilReady, type MasterProcess } from '../e2e/support/master-process.js';
import { Program, run } from '../e2e/support/program.js';
import { withDatabase } from '../support/dsn.js';
import { eventually } from '../support/eventually.js';
import { buildOfPreviousRelease, describeWithPreviousRelease } from '../support/previous-release.js';
import { random } from '../support/seed.js';
import { serverLog } from '../support/server-log.js';
import { startTestPostgres, type TestPostgres } from '../support/test-postgres.js';
import { RoamingWorker, type Served } from '../e2e/support/roaming-worker.js';

const MASTERS = 20;
/** Their pools; each has three more sessions at most. */
const FEW = { DATABASE_MAX_OPEN_CONNS: '3' };
/** On two cores that others use as well; a start takes a second or two of one. */
const TOGETHER_WITHIN = 180_000;
const TEST_WITHIN = 300_000;

const chance = random();
let postgres: TestPostgres;
const masters: MasterProcess[] = [];
const pools: pg.Pool[] = [];

beforeAll(async () => {
  postgres = await startTestPostgres();
});

afterEach(async () => {
  await Promise.all(masters.splice(0).map(({ program }) => program.stop('SIGKILL')));
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
});

afterAll(() => postgres.stop());

describe('twenty masters started at once (F16)', () => {
  it(
    'all come up on an empty database, and each migration is applied once',
    async () => {
      const { dsn, pool } = await emptyDatabase();
      await allComeUp(dsn);
      await expectAppliedOnce(pool, []);
      await allStop();
      await expectClean(dsn);
    },
    TEST_WITHIN,
  );
});

describeWithPreviousRelease(() => {
  let old: string;
  beforeAll(() => {
    old = buildOfPreviousRelease();
  });

  it(
    'twenty masters started at once all come up on its schema, and its jobs go on (F16, I1)',
    async () => {
      const { dsn, pool } = await emptyDatabase();
      await migrateUp(dsn, old);
      const before = await applied(pool);
      const { waiting, done } = await leaveJobs(dsn, old, pool);

      await allComeUp(dsn);
      await expectAppliedOnce(pool, before);
      expect(await schemaOf(pool)).toEqual(await freshSchema());
      const urls = masters.map(({ url }) => url);
      const worker = new RoamingWorker(urls, 'heir', new Map() as Served, chance);
      await worker.register();
      const working = worker.work();
      await eventually(
        async () => expect((await completed(pool)).sort()).toEqual([...done, ...waiting].sort()),
        {
          // Beside twenty masters on the same two cores.
          within: 120_000,
          every: 100,
        },
      );
      worker.stop();
      await working;
      await allStop();
      await expectClean(dsn);
    },
    TEST_WITHIN,
  );

  it('a master killed with -9 in the middle of its migration leaves nothing of it, and the one that waits does it all (F16)', async () => {
    const { dsn, pool } = await emptyDatabase();
    await migrateUp(dsn, old);
    const { waiting, done } = await leaveJobs(dsn, old, pool);
    const before = { applied: await applied(pool), schema: await schemaOf(pool) };

    // Held where the first new migration is done, and is to be written down.
    const release = await holdMigrations(dsn);
    const rivals = new Map<string, MasterProcess>();
    for (const name of ['one', 'other']) rivals.set(name, await start(named(dsn, name)));
    // It steps back after 5 s and comes again, with the lock that lets one migrate at a time.
    const { migrates, waits } = await eventually(
      async () => {
        const sessions = await migrating(pool);
        for (const { program } of rivals.values()) expect(program.running, program.output).toBe(true);
        const [middle, behind] = sessions;
        expect(sessions, [...rivals.values()].map(({ program }) => program.output).join('\n')).toHaveLength(
          2,
        );
        expect(middle).toMatchObject({ waits_for: 'relation migrations', has_jobs: true });
        expect(behind).toMatchObject({ waits_for: 'advisory', has_jobs: false });
        return { migrates: middle, waits: behind };
      },
      { within: 60_000 },
    );
    const victim = rivals.get(migrates?.name ?? '');
    const heir = rivals.get(waits?.name ?? '');
    if (victim === undefined || heir === undefined) throw new Error('a stranger migrates');
    await victim.program.stop('SIGKILL');
    console.info(`killed in the middle: ${JSON.stringify(migrates)}`);
    expect(victim.program.child.signalCode).toBe('SIGKILL');
    expect(victim.program.output).not.toContain('applied the migration');
    expect(await applied(pool)).toEqual(before.applied);
    await release();

    await untilReady(heir, 60_000);
    expect(await applied(pool)).toEqual([...before.applied, ...appliedBy(heir)]);
    expect(appliedBy(heir)).not.toEqual([]);
    expect(await migrationStatus(dsn)).toMatchObject({ pending: [], unknown: [] });
    const schema = await schemaOf(pool);
    expect(schema).not.toEqual(before.schema);
    expect(schema).toEqual(await freshSchema());
    const { rows } = await pool.query<{ id: string }>('SELECT id FROM ffmpeg_master.jobs');
    expect(rows.map(({ id }) => id).sort()).toEqual([...waiting].sort());
    expect(await completed(pool)).toHaveLength(done.length);
    await allStop();
    await expectClean(dsn);
  });
});

async function emptyDatabase(): Promise<{ dsn: string; pool: pg.Pool }> {
  const name = `together_${randomUUID().replaceAll('-', '')}`;
  const admin = new pg.Client({ connectionString: postgres.dsn });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const dsn = withDatabase(postgres.dsn, name);
  const pool = new pg.Pool({ connectionString: dsn, max: 3 });
  pool.on('error', () => undefined);
  pools.push(pool);
  return { dsn, pool };
}

async function start(dsn: string, build?: string): Promise<MasterProcess> {
  const master = await spawnMaster({ dsn, env: FEW, ...(build !== undefined && { build }) });
  masters.push(master);
  return master;
}

async function allComeUp(dsn: string): Promise<void> {
  const began = performance.now();
  await Promise.all(Array.from({ length: MASTERS }, () => start(dsn)));
  await Promise.all(masters.map((master) => untilReady(master, TOGETHER_WITHIN)));
  console.info(`${MASTERS} masters ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  expect(masters.filter(({ program }) => program.running)).toHaveLength(MASTERS);
  await eventually(
    async () => {
      const leaders = await Promise.all(masters.map(leads));
      expect(leaders.filter((leading) => leading)).toHaveLength(1);
    },
    { within: 10_000 },
  );
  await eventually(async () => {
    const { body } = await call<{ masters: unknown[] }>(`${masters[0]?.url}/api/v1/cluster`, { key: KEY });
    expect(body.masters).toHaveLength(MASTERS);
  });
}

/** All at once, as by a service manager; each with status 0. */
async function allStop(): Promise<void> {
  const running = masters.filter(({ program }) => program.running);
  const states = await Promise.all(running.map(({ program }) => program.stop()));
  expect(states).toEqual(running.map(() => 0));
  for (const { program } of running)
    expect(program.output).not.toMatch(/40P01|deadlock|"level":"(error|fatal)"/);
}

async function expectAppliedOnce(pool: pg.Pool, before: readonly string[]): Promise<void> {
  const names = await applied(pool);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(before.length);
  // One of them did them all, in the order of their numbers.
  const migrators = masters.map(appliedBy).filter((own) => own.length > 0);
  expect(migrators).toEqual([names.slice(before.length)]);
}

async function applied(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    'SELECT name FROM ffmpeg_master.migrations ORDER BY id',
  );
  return rows.map(({ name }) => name);
}

/** What a master says that it applied. */
function appliedBy({ program }: MasterProcess): string[] {
  return [...program.output.matchAll(/applied the migration (\w+)/g)].map(([, name = '']) => name);
}

async function migrateUp(dsn: string, build: string): Promise<void> {
  const program = new Program(['migrate', 'up'], { DATABASE_DSN: dsn, MASTER_API_KEY: KEY }, build);
  expect(await program.exit(), program.output).toBe(0);
}

/** Some jobs that are done and some that wait, by a master of the build; answers their ids when it has stopped. */
async function leaveJobs(
  dsn: string,
  build: string,
  pool: pg.Pool,
): Promise<{ waiting: string[]; done: string[] }> {
  const master = await start(dsn, build);
  await untilReady(master);
  const submit = async () => {
    const jobs = Array.from({ length: 50 }, (_, n) => ({ scenario: `left behind ${n}` }));
    const { body } = await call<{ jobs: { id: string }[] }>(`${master.url}/api/v1/jobs/batch`, {
      key: KEY,
      body: { jobs },
    });
    return body.jobs.map(({ id }) => id);
  };
  const done = await submit();
  const worker = new RoamingWorker([master.url], 'ancestor', new Map() as Served, chance);
  await worker.register();
  const working = worker.work();
  await eventually(async () => expect(await completed(pool)).toHaveLength(done.length), { within: 30_000 });
  worker.stop();
  await working;
  const waiting = await submit();
  expect(await master.program.stop()).toBe(0);
  masters.splice(masters.indexOf(master), 1);
  return { waiting, done };
}

async function completed(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT id FROM ffmpeg_master.job_history WHERE status = 'completed'`,
  );
  return rows.map(({ id }) => id);
}

/** Lets everybody read which migrations are applied, and nobody write it; answers what ends that. */
async function holdMigrations(dsn: string): Promise<() => Promise<void>> {
  const holder = new pg.Client({ connectionString: dsn });
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('SET idle_in_transaction_session_timeout = 0');
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE ffmpeg_master.migrations IN SHARE MODE');
  return async () => {
    await holder.query('ROLLBACK');
    await holder.end();
  };
}

function named(dsn: string, name: string): string {
  const url = new URL(dsn);
  url.searchParams.set('application_name', name);
  return url.toString();
}

interface Migrating {
  /** Application name of the master's DSN. */
  readonly name: string;
  readonly waits_for: string;
  /** Whether it keeps everybody from jobs. */
  readonly has_jobs: boolean;
}

/** Sessions that migrate and wait, whoever is furthest first. */
async function migrating(pool: pg.Pool): Promise<Migrating[]> {
  const { rows } = await pool.query<Migrating>(
    `SELECT split_part(a.application_name, ' ', 1) AS name,
            concat_ws(' ', w.locktype, replace(w.relation::regclass::text, 'ffmpeg_master.', '')) AS waits_for,
            EXISTS (SELECT FROM pg_locks has WHERE has.pid = a.pid AND has.granted AND has.mode = 'AccessExclusiveLock'
                      AND has.relation = 'ffmpeg_master.jobs'::regclass) AS has_jobs
     FROM pg_stat_activity a JOIN pg_locks w ON w.pid = a.pid AND NOT w.granted
     WHERE a.datname = current_database() AND a.application_name LIKE '% migration'
     ORDER BY has_jobs DESC`,
  );
  return rows;
}

let fresh: unknown;

/** What `migrate up` of this build makes of an empty database. */
async function freshSchema(): Promise<unknown> {
  if (fresh === undefined) {
    const { dsn, pool } = await emptyDatabase();
    expect(await run(['migrate', 'up'], { DATABASE_DSN: dsn, MASTER_API_KEY: KEY })).toMatchObject({
      status: 0,
    });
    fresh = await schemaOf(pool);
  }
  return fresh;
}

/** Columns, indexes, constraints, functions and storage, in words; without the partitions, whose indexes go by number. */
async function schemaOf(pool: pg.Pool): Promise<unknown> {
  const { rows } = await pool.query(
    `WITH ours AS (
       SELECT oid, relname, reloptions FROM pg_class
       WHERE relnamespace = 'ffmpeg_master'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
     )
     SELECT 'column' AS kind, o.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
              || ' ' || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS text
     FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     UNION ALL
     SELECT 'index', pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid FROM pg_index i JOIN ours o ON o.oid = i.indrelid
     UNION ALL
     SELECT 'constraint', o.relname || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN ours o ON o.oid = c.conrelid
     UNION ALL
     SELECT 'function', pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.pronamespace = 'ffmpeg_master'::regnamespace
     UNION ALL
     SELECT 'storage', o.relname || ' ' || o.reloptions::text FROM ours o WHERE o.reloptions IS NOT NULL
     ORDER BY 1, 2`,
  );
  return rows;
}

async function expectClean(dsn: string): Promise<void> {
  const { status, output } = await run(['verify'], { DATABASE_DSN: dsn, MASTER_API_KEY: KEY });
  expect(status, output).toBe(0);
  // A master that was chosen to give way may have tried again and said nothing (I13).
  expect(await serverLog(postgres)).not.toContain('deadlock detected');
}
