/**
 * Jobs and dispatch of one master, put together by hand on a real database: for specs that meet the hot
 * path's SQL without HTTP. Several over one `LocalSignals` are several masters whose signals all arrive.
 */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { Principal } from '../../src/access/principal.js';
import { Settings } from '../../src/config/settings.js';
import type { Database } from '../../src/database/database.js';
import { DatabaseMetrics } from '../../src/database/database.metrics.js';
import { PrimaryReads } from '../../src/database/read-database.js';
import { StatementGroups } from '../../src/database/statement-groups.js';
import { ArrivalsRepository } from '../../src/dispatch/arrivals.repository.js';
import { ClaimRepository, type AttemptRow } from '../../src/dispatch/claim.repository.js';
import { ClaimsService } from '../../src/dispatch/claims.service.js';
import { DispatchMetrics } from '../../src/dispatch/dispatch.metrics.js';
import { HandOver } from '../../src/dispatch/hand-over.js';
import { HeartbeatRepository } from '../../src/dispatch/heartbeat.repository.js';
import { HeartbeatsService } from '../../src/dispatch/heartbeats.service.js';
import { LaneFit } from '../../src/dispatch/lane-fit.js';
import { LaneWatch } from '../../src/dispatch/lane-watch.js';
import { ParkedClaims } from '../../src/dispatch/parked-claims.js';
import { QueueDirectory } from '../../src/dispatch/queue-directory.js';
import { QueueFiguresRepository } from '../../src/dispatch/queue-figures.repository.js';
import { QueuesRepository } from '../../src/dispatch/queues.repository.js';
import { QueuesService } from '../../src/dispatch/queues.service.js';
import { ReportRepository } from '../../src/dispatch/report.repository.js';
import { ReportsService } from '../../src/dispatch/reports.service.js';
import type { Asker } from '../../src/dispatch/waiting-claim.js';
import { HistoryRepository } from '../../src/jobs/history.repository.js';
import { History } from '../../src/jobs/history.js';
import { JobEventsRepository } from '../../src/jobs/job-events.repository.js';
import { JobEvents } from '../../src/jobs/job-events.js';
import { JobListRepository } from '../../src/jobs/job-list.repository.js';
import { JobList } from '../../src/jobs/job-list.js';
import { JobLogsRepository } from '../../src/jobs/job-logs.repository.js';
import { JobLogsService } from '../../src/jobs/job-logs.service.js';
import { JobsMetrics } from '../../src/jobs/jobs.metrics.js';
import { JobsRepository } from '../../src/jobs/jobs.repository.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { LaneDirectory } from '../../src/jobs/lane-directory.js';
import { LanesRepository } from '../../src/jobs/lanes.repository.js';
import { QueueRates } from '../../src/jobs/queue-rates.js';
import { SubmitRepository } from '../../src/jobs/submit.repository.js';
import { SubmitService } from '../../src/jobs/submit.service.js';
import { TransitionsRepository } from '../../src/jobs/transitions.repository.js';
import { Metrics } from '../../src/metrics/metrics.js';
import { NodeDirectory } from '../../src/nodes/node-directory.js';
import { NodesMetrics } from '../../src/nodes/nodes.metrics.js';
import { NodesRepository } from '../../src/nodes/nodes.repository.js';
import { NodesService } from '../../src/nodes/nodes.service.js';
import { RegistrationRepository } from '../../src/nodes/registration.repository.js';
import type { Job } from '../../src/protocol/job.js';
import type { NodeRegistration } from '../../src/protocol/node-registration.js';
import type { AttemptReport, ReportOutcome } from '../../src/protocol/report.js';
import type { SubmitJob } from '../../src/protocol/submit-job.js';
import { Draining } from '../../src/signals/draining.js';
import type { Signals } from '../../src/signals/signals.js';

export const PRINCIPAL: Principal = { tenant_id: 'default', actor: 'test', permissions: new Set() };

/** Somebody who stays on the line. */
export const PATIENT: Asker = { gone: false, onGone: () => undefined };

export class DispatchMaster {
  readonly settings = new Settings();
  readonly metrics = new Metrics();
  readonly draining = new Draining();
  readonly rates = new QueueRates();
  readonly nodes: NodesService;
  readonly nodeDirectory: NodeDirectory;
  readonly jobs: JobsService;
  readonly submits: SubmitService;
  readonly logs: JobLogsService;
  readonly events: JobEvents;
  readonly history: History;
  readonly lanes: LaneWatch;
  readonly claims: ClaimsService;
  readonly reports: ReportsService;
  readonly heartbeats: HeartbeatsService;
  readonly queues: QueuesService;
  private readonly queueDirectory: QueueDirectory;

  constructor(database: Database, signals: Signals) {
    const { metrics } = this;
    const groups = new StatementGroups(database, new DatabaseMetrics(metrics.registry));
    this.nodeDirectory = new NodeDirectory(new NodesRepository(database), signals, groups);
    this.nodes = new NodesService(
      new NodesRepository(database),
      new RegistrationRepository(database),
      this.nodeDirectory,
      signals,
      new NodesMetrics(metrics),
      this.settings,
    );
    const lanes = new LaneDirectory(new LanesRepository(database));
    this.queueDirectory = new QueueDirectory(new QueuesRepository(database), signals);
    const fit = new LaneFit(lanes, this.nodeDirectory, this.queueDirectory);
    this.history = new History(new HistoryRepository(database));
    const repository = new JobsRepository(database);
    this.jobs = new JobsService(
      repository,
      this.history,
      new JobList(new JobListRepository(new PrimaryReads(database)), this.history),
      new TransitionsRepository(database),
      lanes,
      fit,
      signals,
      this.rates,
    );
    this.logs = new JobLogsService(new JobLogsRepository(database), this.history, groups);
    this.events = new JobEvents(new JobEventsRepository(database), this.history);
    const dispatchMetrics = new DispatchMetrics(metrics);
    this.heartbeats = new HeartbeatsService(
      new HeartbeatRepository(database),
      this.nodes,
      signals,
      this.settings,
      groups,
    );
    this.lanes = new LaneWatch(
      new ClaimRepository(database),
      lanes,
      this.queueDirectory,
      signals,
      pino({ level: 'silent' }),
    );
    const parked = new ParkedClaims();
    this.claims = new ClaimsService(
      new ClaimRepository(database),
      new ArrivalsRepository(database),
      parked,
      this.lanes,
      this.nodeDirectory,
      this.heartbeats,
      fit,
      signals,
      this.draining,
      this.settings,
      dispatchMetrics,
      pino({ level: 'silent' }),
    );
    this.submits = new SubmitService(
      new SubmitRepository(database),
      repository,
      this.history,
      lanes,
      fit,
      new HandOver(parked, this.claims, this.lanes, lanes, this.queueDirectory, fit),
      signals,
      this.rates,
      new JobsMetrics(metrics),
      this.settings,
      groups,
    );
    this.reports = new ReportsService(
      new ReportRepository(database),
      this.history,
      this.nodeDirectory,
      this.claims,
      this.queueDirectory,
      signals,
      this.rates,
      dispatchMetrics,
      this.settings,
      groups,
    );
    this.queues = new QueuesService(
      new QueuesRepository(database),
      new QueueFiguresRepository(new PrimaryReads(database), database),
      this.queueDirectory,
      signals,
    );
  }

  async start(): Promise<this> {
    this.nodeDirectory.onModuleInit();
    this.queueDirectory.onModuleInit();
    this.lanes.onModuleInit();
    this.claims.onModuleInit();
    await Promise.all([this.nodeDirectory.sync(), this.queueDirectory.load()]);
    return this;
  }

  stop(): void {
    this.claims.onModuleDestroy();
    this.lanes.onModuleDestroy();
    this.queueDirectory.onModuleDestroy();
    this.nodeDirectory.onModuleDestroy();
  }

  /** A node that can run everything, unless told otherwise; answers its id. */
  async node(traits: Partial<NodeRegistration> = {}): Promise<string> {
    const { node } = await this.nodes.register(PRINCIPAL, {
      name: `node-${randomUUID()}`,
      instance_id: randomUUID(),
      slots: 4,
      cpu_threads: 8,
      cpu_model: 'test',
      ram_total_bytes: 1,
      gpus: [],
      encoders: ['libx264'],
      engines: ['ffmpeg'],
      ffmpeg_version: '7',
      labels: {},
      ...traits,
    });
    return node.id;
  }

  async submit(job: Partial<SubmitJob> = {}): Promise<Job> {
    const [made] = await this.submits.submit(PRINCIPAL, [{ scenario: 'test', ...job }], {
      route: 'POST /jobs',
    });
    if (!made) throw new Error('no job was made');
    return made;
  }

  claim(
    node_id: string,
    options: { max_jobs?: number; wait_seconds?: number; claim_id?: string; asker?: Asker } = {},
  ): Promise<AttemptRow[]> {
    const { max_jobs = 1, wait_seconds = 0, claim_id = randomUUID(), asker = PATIENT } = options;
    return this.claims.claim(node_id, { claim_id, max_jobs, wait_seconds }, asker);
  }

  /** Claims one job and fails the test if there is none. */
  async claimOne(node_id: string): Promise<AttemptRow> {
    const [attempt] = await this.claim(node_id);
    if (!attempt) throw new Error('there was nothing to claim');
    return attempt;
  }

  async report(
    node_id: string,
    attempt: { id: string; lease_token: number },
    result: Omit<AttemptReport, 'job_id' | 'lease_token'>,
  ): Promise<ReportOutcome | undefined> {
    const [outcome] = await this.reports.report(
      node_id,
      [{ job_id: attempt.id, lease_token: attempt.lease_token, ...result }],
      'test',
    );
    return outcome;
  }
}
