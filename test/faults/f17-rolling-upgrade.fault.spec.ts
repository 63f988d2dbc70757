/**
 * A rolling upgrade and the way back, under load: masters of the previous release on their own schema, the present build
 * beside them, the old ones stopped one by one; then old ones again, on the new schema, until the new ones are gone. At
 * every step each master that lives has to serve, and leadership is moved from one version to the other and back.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Master } from '../../src/leadership/masters.repository.js';
import { migrationStatus } from '../../src/database/migrations.js';
import { call } from '../e2e/support/api.js';
import { KEY, leads, spawnMaster, untilReady, type MasterProcess } from '../e2e/support/master-process.js';
import { Program, run } from '../e2e/support/program.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import {
  buildOfPreviousRelease,
  describeWithPreviousRelease,
  migrationsOfPreviousRelease,
} from '../support/previous-release.js';
import { random } from '../support/seed.js';
import { serverLog } from '../support/server-log.js';
import { startTestPostgres, type TestPostgres } from '../support/test-postgres.js';
import { clip } from './rig/real-work.js';
import { RoamingWorker, type Served } from '../e2e/support/roaming-worker.js';

type Version = 'old' | 'new';

const WORKERS = 6;
/** Jobs under way beyond which nothing is submitted: the load is steady, not heavy. */
const UNDER_WAY = 60;

describeWithPreviousRelease(() => {
  const chance = random();
  let postgres: TestPostgres;
  let pool: pg.Pool;
  let old: string;

  /** Every master that was ever started, with its version; an id is known once it was ready. */
  const started: { master: MasterProcess; version: Version; id: string }[] = [];
  /** What the balancer knows. */
  const urls: string[] = [];
  const served: Served = new Map();
  const workers: RoamingWorker[] = [];
  /** Why a worker or the load ended early. */
  let broken: unknown;

  beforeAll(async () => {
    old = buildOfPreviousRelease();
    postgres = await startTestPostgres();
    pool = new pg.Pool({ connectionString: postgres.dsn, max: 3 });
    pool.on('error', () => undefined);
  });

  afterAll(async () => {
    for (const worker of workers) worker.stop();
    await Promise.all(started.map(({ master }) => master.program.stop()));
    await pool.end();
    await postgres.stop();
  });

  async function start(version: Version): Promise<void> {
    const master = await spawnMaster({
      dsn: postgres.dsn,
      env: { DATABASE_MAX_OPEN_CONNS: '8' },
      ...(version === 'old' && { build: old }),
    });
    const entry = { master, version, id: '' };
    started.push(entry);
    await untilReady(master);
    // A master may be ready before its first sign of life is written.
    await eventually(async () => {
      const { body } = await call<{ masters: Master[] }>(`${master.url}/api/v1/cluster`, { key: KEY });
      entry.id = body.masters.find(({ url }) => url === master.url)?.id ?? '';
      expect(entry.id).not.toBe('');
    });
    urls.push(master.url);
  }

  /** As a rolling deployment does: SIGTERM first, and the balancer hears of it by itself. */
  async function stopOne(version: Version): Promise<void> {
    const [entry] = living(version);
    if (entry === undefined) throw new Error(`no ${version} master runs`);
    const status = entry.master.program.stop();
    await eventually(async () => {
      const answer = await call(`${entry.master.url}/health/ready`).catch(() => undefined);
      expect(answer?.status).not.toBe(200);
    });
    urls.splice(urls.indexOf(entry.master.url), 1);
    expect(await status, entry.master.program.output).toBe(0);
  }

  function living(version?: Version): typeof started {
    return started.filter(
      (entry) => entry.master.program.running && (version === undefined || entry.version === version),
    );
  }

  /** From now on each living master hands out attempts, extends leases and takes reports. */
  async function eachServes(): Promise<void> {
    const before = new Map([...served].map(([url, counts]) => [url, { ...counts }]));
    await eventually(
      () => {
        expect(broken).toBeUndefined();
        for (const { master, version } of living()) {
          const now = served.get(master.url);
          const then = before.get(master.url) ?? { claimed: 0, extended: 0, accepted: 0 };
          const more = (kind: keyof typeof then) => (now?.[kind] ?? 0) - then[kind];
          const counts = [more('claimed'), more('extended'), more('accepted')];
          expect(Math.min(...counts), `${version} ${master.url} served ${counts.join(', ')}`).toBeGreaterThan(
            5,
          );
        }
      },
      { within: 30_000, every: 50 },
    );
  }

  /** Lets leaders resign until one of this version leads and has promoted a job. */
  async function leadBy(version: Version): Promise<void> {
    for (let resignations = 0; ; resignations += 1) {
      const leader = await eventually(
        async () => {
          for (const entry of living()) if (await leads(entry.master)) return entry;
          throw new Error('no master leads');
        },
        { within: 10_000 },
      );
      if (leader.version === version) return promotes(leader.id);
      expect(resignations, 'resignations in vain').toBeLessThan(20);
      await call(`${leader.master.url}/api/v1/cluster/resign`, { key: KEY, method: 'POST' });
    }
  }

  function promotes(master: string): Promise<void> {
    return eventually(
      async () => {
        const { rows } = await pool.query(
          `SELECT FROM ffmpeg_master.job_events e
           JOIN ffmpeg_master.leadership_terms t ON e.actor = 'leader/' || t.epoch
           WHERE e.type = 'promoted' AND t.master_id = $1 AND t.epoch = (SELECT max(epoch) FROM ffmpeg_master.leadership_terms)`,
          [master],
        );
        expect(rows.length, 'promoted in this term').toBeGreaterThan(0);
      },
      { within: 15_000, every: 50 },
    );
  }

  it('rolls forward and back under load: both versions serve and lead on one schema, each job runs once (F17, I1, I2, I9, I13)', async () => {
    const began = performance.now();
    const step = (text: string) =>
      console.info(`${((performance.now() - began) / 1000).toFixed(1)} s, ${load.ids.length} jobs: ${text}`);
    const load = new Load(urls, pool);

    await start('old');
    await start('old');
    expect(await appliedMigrations(pool)).toEqual(
      migrationsOfPreviousRelease().map((file) => file.replace('.sql', '')),
    );
    workers.push(
      ...Array.from({ length: WORKERS }, (_, k) => new RoamingWorker(urls, `roaming-${k}`, served, chance)),
    );
    await Promise.all(workers.map((worker) => worker.register()));
    const working = workers.map((worker) => worker.work());
    const loading = load.run();
    const failed = Promise.all([...working, loading]);
    failed.catch((error: unknown) => (broken = error));
    await leadBy('old');
    await eachServes();
    step('two old masters on their own schema');

    await start('new');
    const { pending, unknown } = await migrationStatus(postgres.dsn);
    expect([pending, unknown]).toEqual([[], []]);
    expect((await appliedMigrations(pool)).length).toBeGreaterThan(migrationsOfPreviousRelease().length);
    await eachServes();
    step('a new one has migrated beside them');
    await leadBy('new');
    await eachServes();
    step('it leads them');
    await leadBy('old');
    await eachServes();
    step('an old one leads it, on the new schema');

    await stopOne('old');
    await start('new');
    await eachServes();
    await stopOne('old');
    await leadBy('new');
    await eachServes();
    step('the old ones are gone');

    await start('old');
    expect(await statusByOld()).toContain('applied by a newer program');
    await eachServes();
    await stopOne('new');
    await start('old');
    await leadBy('new');
    await eachServes();
    step('old ones were started on the new schema');
    await stopOne('new');
    await leadBy('old');
    await eachServes();
    step('and the new ones are gone');

    load.stop();
    await loading;
    await eventually(async () => expect(await load.unfinished()).toBe(0), { within: 30_000, every: 100 });
    for (const worker of workers) worker.stop();
    await failed;
    step('all are done');
    expect(started.filter(({ master }) => master.program.endedByItself)).toEqual([]);

    await expectEachOnce(load.ids);
    await expectBothLed();
    const ofVersion = (version: Version) => {
      const counts = started.flatMap((entry) => {
        const its = served.get(entry.master.url);
        return entry.version === version && its !== undefined ? [its] : [];
      });
      return `${counts.length} ${version} masters gave ${sum(counts, 'claimed')}, extended ${sum(counts, 'extended')}, took ${sum(counts, 'accepted')}`;
    };
    console.info(
      `${ofVersion('old')}; ${ofVersion('new')}; ${workers.flatMap(({ repeats }) => repeats).length} requests of workers and ${load.repeats} submits were sent again`,
    );
    await expectQuietLogs();
    const { status, output } = await run(['verify'], { DATABASE_DSN: postgres.dsn, MASTER_API_KEY: KEY });
    expect(status, output).toBe(0);
  });

  it.each<[Version, Version]>([
    ['old', 'new'],
    ['new', 'old'],
  ])('a worker of the %s build runs a job of a master of the %s one (F17)', async (workers, masters) => {
    // The old one first, where the database is still empty: it finds its own schema there.
    for (const version of ['old', 'new'] as const) if (living(version).length === 0) await start(version);
    const directory = await mkdtemp(join(tmpdir(), 'ffmpeg-master-f17-'));
    const [{ master } = { master: undefined }] = living(masters);
    const options = [
      '--name',
      `${workers}-build`,
      '--slots',
      '1',
      '--metrics-port',
      String(await freePort()),
    ];
    const folders = ['--output-dir', join(directory, 'out'), '--work-dir', join(directory, 'work')];
    const worker = new Program(
      ['worker', '--master', master?.url ?? '', ...options, ...folders],
      { MASTER_API_KEY: KEY },
      workers === 'old' ? old : undefined,
    );
    try {
      const body = clip('seen.mp4', 1);
      const made = await call<{ id: string }>(`${master?.url}/api/v1/jobs`, { key: KEY, body });
      expect(made.status).toBe(201);
      await eventually(
        async () => {
          const sql = 'SELECT status, node_name FROM ffmpeg_master.job_history WHERE id = $1';
          const { rows } = await pool.query(sql, [made.body.id]);
          expect(rows, worker.output.slice(-1500)).toEqual([
            { status: 'completed', node_name: `${workers}-build` },
          ]);
          expect(existsSync(join(directory, 'out/seen.mp4'))).toBe(true);
        },
        { within: 120_000, every: 100 },
      );
      expect(await worker.stop(), worker.output).toBe(0);
    } finally {
      await worker.stop('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    }
  });

  async function statusByOld(): Promise<string> {
    const status = new Program(
      ['migrate', 'status'],
      { DATABASE_DSN: postgres.dsn, MASTER_API_KEY: KEY },
      old,
    );
    expect(await status.exit(), status.output).toBe(0);
    return status.output;
  }

  async function expectEachOnce(ids: readonly string[]): Promise<void> {
    expect(ids.length).toBeGreaterThan(200);
    const { rows } = await pool.query<{
      id: string;
      status: string;
      attempt: number;
      starts: number;
      ends: number;
    }>(
      `SELECT h.id, h.status, h.attempt,
              count(*) FILTER (WHERE e.to_status = 'assigned' AND e.from_status = 'queued')::integer AS starts,
              count(*) FILTER (WHERE e.to_status = 'completed')::integer AS ends
       FROM ffmpeg_master.job_history h JOIN ffmpeg_master.job_events e ON e.job_id = h.id
       GROUP BY h.id, h.status, h.attempt`,
    );
    expect(rows.map(({ id }) => id).sort()).toEqual([...ids].sort());
    const odd = rows.filter(
      ({ status, attempt, starts, ends }) =>
        status !== 'completed' || attempt !== 1 || starts !== 1 || ends !== 1,
    );
    expect(odd).toEqual([]);
    const given = workers.flatMap((worker) => worker.given);
    expect(new Set(given.map((one) => one.split(' ')[0])).size).toBe(given.length);
    expect(given).toHaveLength(ids.length);
    expect(workers.flatMap((worker) => worker.surprises)).toEqual([]);
  }

  /** Leadership went from the old version to the new one and back, and each did its duties. */
  async function expectBothLed(): Promise<void> {
    const { rows } = await pool.query<{ master_id: string }>(
      'SELECT master_id FROM ffmpeg_master.leadership_terms ORDER BY epoch',
    );
    const terms = rows.map(
      ({ master_id }) => started.find(({ id }) => id === master_id)?.version ?? 'nobody’s',
    );
    console.info(`terms: ${terms.join(', ')}`);
    expect(terms).not.toContain('nobody’s');
    const turns = terms.filter((version, k) => version !== terms[k - 1]);
    expect(turns.slice(0, 3)).toEqual(['old', 'new', 'old']);
    expect(turns.at(-1)).toBe('old');
    expect(turns.length).toBeGreaterThanOrEqual(5);
  }

  /** No deadlock (I13), and nothing that one version's statement missed on the other's schema. */
  async function expectQuietLogs(): Promise<void> {
    const lines = (await serverLog(postgres)).split('\n');
    const errors = lines.filter((line) => /\b(ERROR|FATAL|PANIC):/.test(line));
    const unexpected = errors.filter((line) => !EXPECTED_ERRORS.some((pattern) => pattern.test(line)));
    console.info(`${errors.length} errors in the server's log, ${unexpected.length} unexpected`);
    expect(unexpected).toEqual([]);
    for (const { master, version } of started) {
      const lines = master.program.output.split('\n');
      const bad = lines.filter((line) =>
        /40P01|deadlock|does not exist|\b42[A-Z0-9]{3}\b|0A000|"level":"(error|fatal)"/.test(line),
      );
      expect(bad, `the log of a master of the ${version} build`).toEqual([]);
    }
  }
});

/** What a start and an end leave in the server's log. */
const EXPECTED_ERRORS: readonly RegExp[] = [
  // The first look at an empty database.
  /relation "ffmpeg_master\.migrations" does not exist/,
  // A session that was cut at a master's end while it was at something long, VACUUM say.
  /FATAL: {2}connection to client lost/,
  // A column more in jobs: an old master that reads whole rows by a prepared statement is refused once, unexecuted, and
  // asks again over new connections (PooledDatabase). Its log and its callers hear nothing of it.
  /cached plan must not change result type/,
];

/** Submits until it is told to stop, whichever master is there, and keeps what was acknowledged. */
class Load {
  readonly ids: string[] = [];
  repeats = 0;
  private stopping = false;
  private turn = 0;

  constructor(
    private readonly urls: readonly string[],
    private readonly pool: pg.Pool,
  ) {}

  stop(): void {
    this.stopping = true;
  }

  async unfinished(): Promise<number> {
    const { rows } = await this.pool.query<{ done: number }>(
      'SELECT count(*)::integer AS done FROM ffmpeg_master.job_history',
    );
    return this.ids.length - (rows[0]?.done ?? 0);
  }

  async run(): Promise<void> {
    for (let batch = 0; !this.stopping; batch += 1) {
      const key = randomUUID();
      const later = { run_at: new Date(Date.now() + 1000).toISOString() };
      const body = {
        jobs: Array.from({ length: 5 }, (_, n) => ({
          scenario: `batch ${batch} job ${n}`,
          queue: ['live', 'default', 'batch'][n % 3],
          // What only a leader gets going.
          ...(n === 4 && later),
        })),
      };
      const ids = await this.submit(key, body);
      this.ids.push(...ids);
      // The next master, maybe of the other version, gives the same answer to the same key (I9).
      if (batch % 10 === 0) expect(await this.submit(key, body)).toEqual(ids);
      await eventually(
        async () => expect((await this.unfinished()) < UNDER_WAY || this.stopping).toBe(true),
        {
          within: 60_000,
          every: 50,
        },
      );
    }
  }

  private async submit(key: string, body: unknown): Promise<string[]> {
    for (;;) {
      const url = this.urls[(this.turn += 1) % this.urls.length] ?? '';
      const answer = await call<{ jobs: { id: string }[] }>(`${url}/api/v1/jobs/batch`, {
        key: KEY,
        headers: { 'idempotency-key': key },
        body,
      }).catch(() => undefined);
      if (answer?.status === 201) return answer.body.jobs.map(({ id }) => id);
      if (answer !== undefined && answer.status !== 503) {
        throw new Error(`submit: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      this.repeats += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function appliedMigrations(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    'SELECT name FROM ffmpeg_master.migrations ORDER BY id',
  );
  return rows.map(({ name }) => name);
}

function sum<Key extends string>(counts: readonly Readonly<Record<Key, number>>[], kind: Key): number {
  return counts.reduce((total, one) => total + one[kind], 0);
}
