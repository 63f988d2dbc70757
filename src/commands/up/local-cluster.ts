/** PostgreSQL, masters and workers on this machine, as one thing that starts and stops. */
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { provenEncoders } from '../../worker/encoder-trials.js';
import { findFfmpeg } from '../../worker/ffmpeg-binaries.js';
import { Failure } from '../failures.js';
import { joinEmbeddedServer, type EmbeddedServer } from '../embedded-server.js';
import { Member } from './member.js';
import type { ClusterPorts } from './ports.js';

export interface ClusterPlan {
  readonly dataDir: string;
  readonly outputDir: string;
  readonly ports: ClusterPorts;
  readonly key: string;
  /** Folders that jobs may read. */
  readonly inputRoots: readonly string[];
  /** Jobs at once of each worker. */
  readonly slots: number;
  /** Told of deaths and restarts. */
  readonly notice: (message: string) => void;
  /** Told how long the parts of the start took. */
  readonly timing: (message: string) => void;
}

/** What workers of `up` carry, and what its own jobs require: no other worker has their input and output folders. */
export const STARTED_BY_UP = { started_by: 'up' } as const;

/** More than the masters' and the workers' own grace times. */
const WORKER_GRACE_MS = 15_000;
const MASTER_GRACE_MS = 30_000;

export class LocalCluster {
  readonly masters: readonly string[];
  readonly #stopped = new AbortController();
  #server: Promise<EmbeddedServer> | undefined;
  #trials: Promise<unknown> | undefined;
  #masters: Member[] = [];
  #workers: Member[] = [];
  #stopping: Promise<void> | undefined;

  constructor(private readonly plan: ClusterPlan) {
    this.masters = plan.ports.api.map((port) => `http://127.0.0.1:${port}`);
  }

  get logDir(): string {
    return join(this.plan.dataDir, 'logs');
  }

  /** Answers when the first master takes requests; `whole` when every process is ready. */
  async start(): Promise<{ whole: Promise<void> }> {
    const { plan } = this;
    const workDir = join(plan.dataDir, 'work');
    const timed = stopwatch(plan.timing);
    await mkdir(this.logDir, { recursive: true, mode: 0o700 });
    await mkdir(plan.outputDir, { recursive: true });
    // initdb keeps one core busy for a second; the trials of the encoders take the other one meanwhile.
    this.#stopped.signal.throwIfAborted();
    this.#server = joinEmbeddedServer(plan.dataDir).then(timed('PostgreSQL ready'));
    this.#trials = findFfmpeg()
      .then(({ ffmpeg }) => provenEncoders(ffmpeg, workDir, this.#stopped.signal))
      .then(timed('encoders tried'));
    const [server] = await Promise.all([this.#server, this.#trials]);
    this.#masters = await Promise.all(plan.ports.api.map((_, index) => this.#master(index, server)));
    this.#workers = await Promise.all(
      plan.ports.workerMetrics.map((_, index) => this.#worker(index, workDir)),
    );
    this.#stopped.signal.throwIfAborted();
    const start = (member: Member): Promise<void> => member.start().then(timed(`${member.name} ready`));
    const [firstMaster, ...masters] = this.#masters;
    const [firstWorker, ...workers] = this.#workers;
    // One of each does the first job; on two cores all at once would keep it waiting 1.5 s longer.
    const master = firstMaster && start(firstMaster);
    const worker = firstWorker && start(firstWorker);
    const whole = Promise.all([
      worker,
      master?.then(() => Promise.all([...masters, ...workers].map(start))),
    ]).then(() => undefined);
    whole.catch(() => undefined);
    // A process that cannot start ends the wait, for it would not start later either.
    await Promise.race([master, whole]);
    return { whole };
  }

  /**
   * Workers first, so that they can hand back their jobs; then the masters; then PostgreSQL.
   * @param options.leaveDatabase leave a server running that was found running
   */
  stop(options: { leaveDatabase: boolean }): Promise<void> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  /** At once, without a word to anybody; PostgreSQL stays. */
  kill(): void {
    for (const member of [...this.#workers, ...this.#masters]) member.kill();
  }

  async #stop({ leaveDatabase }: { leaveDatabase: boolean }): Promise<void> {
    // Also where they were still starting: nothing may be left behind.
    this.#stopped.abort(new Failure('the cluster was stopped before it had started'));
    await this.#trials?.catch(() => undefined);
    await Promise.all(this.#workers.map((worker) => worker.stop(WORKER_GRACE_MS)));
    await Promise.all(this.#masters.map((master) => master.stop(MASTER_GRACE_MS)));
    const server = await this.#server?.catch(() => undefined);
    if (leaveDatabase && server?.outcome === 'attached') return;
    await server?.stop();
  }

  async #master(index: number, server: EmbeddedServer): Promise<Member> {
    const { ports, key } = this.plan;
    return this.#member(`master ${index + 1}`, ['serve'], {
      MASTER_API_KEY: key,
      DATABASE_TYPE: 'postgres',
      DATABASE_DSN: server.dsn,
      // Empty counts as not written: settings for another server must not mix with this one.
      DATABASE_DIRECT_DSN: '',
      DATABASE_MIGRATE_DSN: '',
      DATABASE_REPLICA_DSN: '',
      API_HOST: '127.0.0.1',
      API_PORT: String(ports.api[index]),
      API_TLS_ENABLED: 'false',
      METRICS_PORT: String(ports.metrics[index]),
    });
  }

  async #worker(index: number, workDir: string): Promise<Member> {
    const { ports, key, inputRoots, outputDir, slots } = this.plan;
    const name = `worker-${index + 1}`;
    const roots = inputRoots.flatMap((root) => ['--input-root', root]);
    const labels = Object.entries(STARTED_BY_UP).flatMap(([label, value]) => [
      '--label',
      `${label}=${value}`,
    ]);
    return this.#member(
      `worker ${index + 1}`,
      [
        'worker',
        '--name',
        name,
        '--slots',
        String(slots),
        '--metrics-host',
        '127.0.0.1',
        ...labels,
        ...roots,
      ],
      {
        MASTER_API_KEY: key,
        MASTER_URL: this.masters.join(','),
        // For masters elsewhere; these here speak plain HTTP on loopback.
        MASTER_CA_FILE: '',
        MASTER_CERT_FILE: '',
        MASTER_KEY_FILE: '',
        WORKER_OUTPUT_DIR: outputDir,
        WORKER_WORK_DIR: workDir,
        WORKER_METRICS_PORT: String(ports.workerMetrics[index]),
      },
    );
  }

  /** Its log of the last run is kept beside the new one. */
  async #member(name: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Member> {
    const logFile = join(this.logDir, `${name.replace(' ', '-')}.log`);
    await rename(logFile, `${logFile}.1`).catch(() => undefined);
    return new Member({ name, args, logFile, env: { ...process.env, ...env }, onDeath: this.plan.notice });
  }
}

/** Makes functions that pass a value on and tell when they saw it. */
function stopwatch(tell: (message: string) => void): (what: string) => <T>(value: T) => T {
  const started = performance.now();
  return (what) => (value) => {
    tell(`${what} after ${((performance.now() - started) / 1000).toFixed(2)} s`);
    return value;
  };
}
