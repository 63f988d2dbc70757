/**
 * The rig of the fault tests: a database, masters as processes, workers and a load whose every call is recorded, and
 * at the end the verdict: the checker over the history, and `ffmpeg-master verify` on the database.
 *
 *     const rig = await Rig.start({ masters: 3 });
 *     rig.addWorkers(4);
 *     const load = rig.load({ perSecond: 20 });
 *     … a fault, injected and asserted …
 *     await rig.peace(load);
 *     await rig.stop();
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { random, type Random } from '../../support/seed.js';
import { testsArePooled } from '../../support/test-pooler.js';
import { Program, run } from '../../e2e/support/program.js';
import { check } from '../checker/check.js';
import type { Evidence, Violation } from '../checker/evidence.js';
import { stillUnheard } from '../checker/streams.js';
import { gather } from './gather.js';
import { queryPrimary, type DatabaseUnderTest } from './database-under-test.js';
import { History } from './history.js';
import { HttpForwarder } from './http-forwarder.js';
import { registration } from '../../support/registration.js';
import { KnownLoad, type LoadOptions } from './known-load.js';
import { KnownWorker, type KnownWorkerOptions } from './known-worker.js';
import { KEY, Master, type MasterOptions } from './master.js';
import { Observer } from './observer.js';
import { PooledServer } from './pooled-server.js';
import { Recorder } from './recorder.js';
import { SingleServer } from './single-server.js';
import { StreamReader } from './stream-reader.js';
import { recordsInto } from './worker-history.js';
import { WorkerLinks } from './worker-links.js';

export interface RigOptions {
  readonly masters: number;
  /** Default: a single server of its own, behind PgBouncer where TEST_POOLER asks for it. The rig stops it. */
  readonly database?: DatabaseUnderTest;
  /** Over QUICK, for every master. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of each master at the start. */
  readonly master?: Omit<MasterOptions, 'env'>;
}

/** Short leases and backoffs, so that a test need not wait for half a minute; bounds are measured without them. */
export const QUICK: Readonly<Record<string, string>> = {
  WORKERS_LEASE_DURATION: '3s',
  WORKERS_HEARTBEAT_INTERVAL: '1s',
  WORKERS_RECOVERY_CHECK_INTERVAL: '250ms',
  RETRY_INITIAL_BACKOFF: '100ms',
  RETRY_MAX_BACKOFF: '1s',
  SCHEDULER_SCHEDULING_INTERVAL: '500ms',
  DATABASE_MAX_OPEN_CONNS: '10',
};

export class Rig {
  readonly history: History;
  readonly recorder: Recorder;
  readonly random: Random;
  readonly masters: Master[] = [];
  readonly workers: KnownWorker[] = [];
  /** Real workers. */
  readonly programs: Program[] = [];
  readonly observer: Observer;
  readonly readers: StreamReader[] = [];
  private readonly loads: KnownLoad[] = [];
  private readonly links: WorkerLinks[] = [];
  /** Between real workers and masters. */
  private readonly forwarders: HttpForwarder[] = [];
  private atPeace = false;

  private constructor(
    readonly database: DatabaseUnderTest,
    readonly directory: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {
    this.history = new History(join(directory, 'history.jsonl'));
    this.recorder = new Recorder(this.history);
    this.random = random();
    this.observer = new Observer(database, () => this.masters, this.history);
  }

  static async start({ masters, database, env = {}, master = {} }: RigOptions): Promise<Rig> {
    const directory = await mkdtemp(join(tmpdir(), 'ffmpeg-master-fault-'));
    const rig = new Rig(database ?? (await ownServer()), directory, { ...QUICK, ...env });
    try {
      await Promise.all(Array.from({ length: masters }, () => rig.addMaster(master)));
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  /** The single server of a rig that was started with none. */
  get server(): SingleServer {
    if (this.database instanceof SingleServer) return this.database;
    if (this.database instanceof PooledServer) return this.database.server;
    throw new Error('this rig runs on another kind of database');
  }

  /** Starts a master and waits until it is ready. */
  async addMaster(options: MasterOptions = {}): Promise<Master> {
    const master = await this.launchMaster(options);
    return master.ready();
  }

  /** Starts a master and does not wait. */
  async launchMaster(options: MasterOptions = {}): Promise<Master> {
    const env = { ...this.env, ...options.env };
    const master = await Master.launch(this.database, { ...options, env });
    this.masters.push(master);
    return master;
  }

  /** The addresses of the masters that run; one that starts is left out until it was ready. */
  readonly urls = (): string[] =>
    this.masters.filter(({ running, wasReady }) => running && wasReady).map(({ address }) => address);

  /** The master that leads now. */
  leader(within = 10_000): Promise<Master> {
    return eventually(
      async () => {
        for (const master of this.masters.filter(({ running }) => running))
          if ((await master.probe('/health/leader')) === 200) return master;
        throw new Error('no master leads');
      },
      { within, every: 5 },
    );
  }

  /** How many jobs have ended so far. */
  async ended(): Promise<number> {
    const [row] = await this.query<{ n: number }>('SELECT count(*)::int AS n FROM ffmpeg_master.job_history');
    return row?.n ?? 0;
  }

  /** Until `count` jobs more have ended: the cluster works. */
  async worksOn(count = 20, within = 30_000): Promise<void> {
    const before = await eventually(() => this.ended(), { within });
    await eventually(
      async () => {
        const now = await this.ended();
        if (now < before + count) throw new Error(`${now - before} of ${count} jobs ended\n${this.tail()}`);
      },
      { within, every: 50 },
    );
  }

  /** The present epoch, as the database has it. */
  async epoch(): Promise<number> {
    const [row] = await this.query<{ epoch: number }>(
      'SELECT epoch::float8 AS epoch FROM ffmpeg_master.leadership',
    );
    return row?.epoch ?? 0;
  }

  /** Starts known workers, which work from now on. */
  addWorkers(count: number, options: Partial<KnownWorkerOptions> = {}): KnownWorker[] {
    const made = Array.from({ length: count }, () => {
      const name = options.name ?? `known-${this.workers.length}`;
      const worker = new KnownWorker(this.recorder, {
        slots: 2,
        urls: this.urls,
        heartbeatMs: 500,
        workMs: () => 20 + this.random.below(200),
        ...options,
        name,
      });
      this.workers.push(worker);
      worker.start();
      return worker;
    });
    return made;
  }

  /** Registers a node that does nothing by itself; answers its id. A test speaks for it. */
  async addNode(name: string, slots: number, urls: () => readonly string[] = this.urls): Promise<string> {
    const caller = { name, url: () => urls()[0] ?? '' };
    const body = registration(name, slots);
    const reply = await this.recorder.post<{ id: string }>(caller, '/nodes', body);
    expect(reply?.status).toBe(201);
    return reply?.body.id ?? '';
  }

  /** Starts a real worker of the built program, whose calls are recorded; its outputs lie in `directory/output`. */
  async addRealWorker(
    name: string,
    options: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
    urls: readonly string[] = this.urls(),
  ): Promise<Program> {
    const recorders = await Promise.all(
      urls.map((url) => HttpForwarder.start(() => url, recordsInto(this.history, name))),
    );
    this.forwarders.push(...recorders);
    const program = new Program(
      [
        'worker',
        ...['--master', recorders.map(({ url }) => url).join(',')],
        ...['--name', name],
        ...['--output-dir', this.outputDir],
        ...['--metrics-port', String(await freePort())],
        ...options,
      ],
      { MASTER_API_KEY: KEY, WORKER_WORK_DIR: join(this.directory, `work-${name}`), ...env },
    );
    this.programs.push(program);
    return program;
  }

  /** Links that can fail, for a worker, to all masters that were started; the rig closes them. */
  async link(): Promise<WorkerLinks> {
    const links = await WorkerLinks.to(this.masters);
    this.links.push(links);
    return links;
  }

  /** Where real workers publish. */
  get outputDir(): string {
    return join(this.directory, 'output');
  }

  /** A load, which runs from now on. */
  load(options: Partial<LoadOptions> = {}): KnownLoad {
    const load = new KnownLoad(this.recorder, { urls: this.urls, perSecond: 20, ...options }).start();
    this.loads.push(load);
    return load;
  }

  /** Submits so many jobs at once; answers their ids when all are acknowledged. */
  submit(count: number, job?: (index: number) => object): Promise<string[]> {
    return new KnownLoad(this.recorder, { urls: this.urls, perSecond: 1, ...(job && { job }) }).submit(count);
  }

  /** Reads the stream of all events from now on; what is submitted later is heard of. */
  async read(name = 'reader'): Promise<StreamReader> {
    const reader = new StreamReader(name, this.urls, this.history);
    this.readers.push(reader);
    await reader.open;
    return reader;
  }

  query<Row extends Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return queryPrimary<Row>(this.database, sql, values);
  }

  /** As the superuser. */
  admin<Row extends Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return queryPrimary<Row>(this.database, sql, values, 'admin');
  }

  /**
   * The faults are over: the loads end, every acknowledged job ends, and no promise was broken. Throws what was.
   * A file of several tests may come to peace after each; what it watches with is left on.
   * @param within milliseconds in which at least one of the jobs that are left must end, again and again: how long all of
   *   them take is for the machine to say, which had 97 left of a minute's load where it was slow
   */
  async peace(within = 60_000): Promise<Evidence> {
    await Promise.all(this.loads.map((load) => load.stop()));
    while ((await this.jobsLeft()) > 0) await this.anotherEnds(within);
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await this.heardAll();
    await Promise.all(this.readers.map((reader) => reader.stop()));
    this.expectNobodyDied();
    const evidence = await this.evidence(true);
    expect(evidence.operations.length, 'the history is empty').toBeGreaterThan(0);
    expect(this.observer.instants, 'no committed instant was seen').toBeGreaterThan(0);
    this.expectNone(check(evidence));
    await this.expectVerified();
    this.atPeace = true;
    return evidence;
  }

  private async anotherEnds(within: number): Promise<void> {
    const before = await this.jobsLeft();
    if (before === 0) return;
    await eventually(
      async () => {
        if ((await this.jobsLeft()) < before) return;
        const [sample] = await this.query<{ job: string }>(
          `SELECT status || ' ' || id AS job FROM ffmpeg_master.jobs ORDER BY 1 LIMIT 1`,
        );
        throw new Error(
          `${before} jobs are left and none of them ends, such as: ${sample?.job}\n${this.tail()}`,
        );
      },
      { within, every: 100 },
    );
  }

  private async jobsLeft(): Promise<number> {
    const [left] = await this.query<{ n: number }>('SELECT count(*)::int AS n FROM ffmpeg_master.jobs');
    return left?.n ?? 0;
  }

  evidence(quiet: boolean): Promise<Evidence> {
    return gather({
      database: this.database,
      history: this.history,
      outputs: [
        ...this.masters.map(({ program }) => program.output),
        ...this.programs.map(({ output }) => output),
      ],
      quiet,
    });
  }

  /** A master or worker that ended and that no test ended is a failure, however well the others went on. */
  expectNobodyDied(): void {
    const dead = [...this.masters.map(({ program }) => program), ...this.programs].filter(
      ({ endedByItself }) => endedByItself,
    );
    const last = dead.map(
      ({ child, output }) => `ended with ${child.exitCode ?? child.signalCode}:\n${output.slice(-1500)}`,
    );
    expect(last, 'processes ended by themselves').toEqual([]);
  }

  /** Runs `ffmpeg-master verify` of the present build. */
  async expectVerified(): Promise<void> {
    const dsn = this.database.dsn(this.database.direct);
    const verified = await run(['verify'], { DATABASE_DSN: dsn, MASTER_API_KEY: KEY });
    expect(verified, verified.output).toMatchObject({ status: 0 });
  }

  /** What the masters printed last, for a failure. */
  tail(characters = 1500): string {
    return this.masters.map(({ url, program }) => `${url}:\n${program.output.slice(-characters)}`).join('\n');
  }

  async stop(): Promise<void> {
    for (const load of this.loads) load.abandon();
    for (const worker of this.workers) worker.abandon();
    await this.observer.stop();
    await Promise.all(this.readers.map((reader) => reader.stop()));
    for (const links of this.links) links.release();
    // A process that is stopped hears no SIGTERM.
    for (const { running, child } of this.programs) if (running) child.kill('SIGCONT');
    await Promise.all(this.programs.map((program) => program.stop()));
    await Promise.all(this.forwarders.map((forwarder) => forwarder.close()));
    await Promise.all(this.links.map((links) => links.close()));
    await Promise.all(this.masters.map((master) => master.stop()));
    await this.recorder.close();
    this.history.close();
    await this.database.stop();
    // Where something was wrong, the history is what tells.
    if (this.atPeace) await rm(this.directory, { recursive: true, force: true });
    else console.warn(`the history is in ${this.directory}`);
  }

  /** Streams end when the readers have heard of the last event. */
  private async heardAll(): Promise<void> {
    if (this.readers.length === 0) return;
    const { events } = await this.evidence(true);
    const names = this.readers.map(({ name }) => name);
    const unheard = () => stillUnheard(names, { operations: this.history.operations, events }).length;
    // For as long as more and more are heard, as with the jobs: how many there are is for the load to say.
    for (let left = unheard(); left > 0; left = unheard())
      await eventually(
        () => {
          if (unheard() >= left) throw new Error(`${left} of ${events.length} events were not heard`);
        },
        { within: 20_000, every: 100 },
      );
  }

  private expectNone(violations: readonly Violation[]): void {
    const lines = violations.map(({ invariant, detail }) => `${invariant}: ${detail}`);
    expect(lines.slice(0, 30), `seed ${this.random.seed}, history in ${this.directory}`).toEqual([]);
  }
}

function ownServer(): Promise<DatabaseUnderTest> {
  return testsArePooled() ? PooledServer.start() : SingleServer.start();
}
