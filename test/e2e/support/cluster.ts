/** A cluster of real processes for one test file: a PostgreSQL of its own, masters and workers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { PgBouncer } from '../../support/pgbouncer.js';
import { startTestPooler } from '../../support/test-pooler.js';
import { startTestPostgres, type TestPostgres } from '../../support/test-postgres.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { call, type Answer } from './api.js';
import { KEY, leads, spawnMaster, untilReady, type MasterProcess } from './master-process.js';
import { Program, run } from './program.js';

export interface ClusterOptions {
  readonly masters: number;
  /** Further environment of every master, e.g. `{ WORKERS_LEASE_DURATION: '3s' }`. */
  readonly env?: Readonly<Record<string, string>>;
}

export class Cluster {
  readonly masters: MasterProcess[] = [];
  readonly workers: Program[] = [];
  /** All masters' output, those of the dead ones too. */
  private readonly programs: Program[] = [];

  private constructor(
    readonly postgres: TestPostgres,
    readonly directory: string,
    private readonly env: Readonly<Record<string, string>>,
    readonly pool: pg.Pool,
    private readonly pooler: PgBouncer | undefined,
  ) {
    pool.on('error', () => undefined);
  }

  static async start({ masters, env = {} }: ClusterOptions): Promise<Cluster> {
    const postgres = await startTestPostgres();
    const pooler = await startTestPooler(postgres.dsn);
    const directory = await mkdtemp(join(tmpdir(), 'ffmpeg-master-e2e-'));
    const pool = new pg.Pool({ connectionString: postgres.dsn, max: 5 });
    const cluster = new Cluster(postgres, directory, env, pool, pooler);
    await Promise.all(Array.from({ length: masters }, () => cluster.addMaster()));
    return cluster;
  }

  /** Starts a master and waits until it is ready. */
  async addMaster(env: Readonly<Record<string, string>> = {}): Promise<MasterProcess> {
    const master = await spawnMaster({
      dsn: this.pooler?.dsn ?? this.postgres.dsn,
      env: { DATABASE_DIRECT_DSN: this.postgres.dsn, ...this.env, ...env },
    });
    this.programs.push(master.program);
    await untilReady(master);
    this.masters.push(master);
    return master;
  }

  /** Starts a real worker; its outputs lie in `directory/output`. */
  async addWorker(
    name: string,
    options: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Program> {
    const urls = this.masters.map((master) => master.url).join(',');
    const worker = new Program(
      [
        'worker',
        ...['--master', urls],
        ...['--name', name],
        ...['--output-dir', join(this.directory, 'output')],
        ...['--metrics-port', String(await freePort())],
        ...options,
      ],
      { MASTER_API_KEY: KEY, WORKER_WORK_DIR: join(this.directory, `work-${name}`), ...env },
    );
    this.workers.push(worker);
    return worker;
  }

  /** Calls the API of one master, the first that runs unless told otherwise. */
  api<Body = unknown>(path: string, body?: unknown, master = this.anyMaster()): Promise<Answer<Body>> {
    return call<Body>(`${master.url}/api/v1${path}`, { key: KEY, body });
  }

  anyMaster(): MasterProcess {
    const master = this.masters.find(({ program }) => program.running);
    if (!master) throw new Error('no master runs');
    return master;
  }

  /** The master that leads now. */
  leader(within = 10_000): Promise<MasterProcess> {
    return eventually(
      async () => {
        for (const master of this.masters) if (await leads(master)) return master;
        throw new Error('no master leads');
      },
      { within, every: 5 },
    );
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(sql, values)).rows;
  }

  /** Runs `ffmpeg-master verify` on the cluster's database. */
  verify(): Promise<{ status: number | null; output: string }> {
    return run(['verify'], { DATABASE_DSN: this.postgres.dsn, MASTER_API_KEY: KEY });
  }

  /** What all masters and workers have printed so far. */
  get logs(): string {
    return [...this.programs, ...this.workers].map((program) => program.output).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await Promise.all(this.programs.map((program) => program.stop()));
    await this.pool.end();
    await this.pooler?.stop();
    await this.postgres.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
