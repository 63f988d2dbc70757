/**
 * A master for the worker's own specs: real HTTP over loopback, the worker protocol, no database. It behaves well by
 * itself and can be told to answer anything else, or nothing.
 */

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClaimedAttempt, ClaimedJobBody } from '../../src/protocol/claim.js';
import type { AttemptAnswer, AttemptHeartbeat } from '../../src/protocol/heartbeat.js';
import type { NodeRegistration } from '../../src/protocol/node-registration.js';
import type { AttemptReport, ReportOutcome } from '../../src/protocol/report.js';

export type Route = 'nodes' | 'claim' | 'heartbeat' | 'report' | 'logs';

/** `cut`: do it, then break the connection before the answer. `hang`: never answer. A number: that status. */
export type Mischief = 'cut' | 'hang' | { status: number; headers?: Record<string, string> };

export interface Seen {
  route: Route;
  path: string;
  body: Record<string, unknown>;
  at: number;
  key: string | undefined;
}

export class ScriptedMaster {
  readonly seen: Seen[] = [];
  readonly reports: (AttemptReport & { outcome: ReportOutcome })[] = [];
  readonly logs = new Map<string, string>();
  readonly nodeId = randomUUID();
  heartbeatSeconds = 0.1;
  leaseSeconds = 30;
  drain = false;
  /** What shall go wrong with a request; consulted for each. */
  mischief: (route: Route, body: Record<string, unknown>) => Mischief | undefined = () => undefined;
  /** What a heartbeat answers for a job, on top of `extended`. */
  verdicts = new Map<string, Partial<AttemptAnswer>>();
  /** How a report is answered the first time. */
  outcome: (report: AttemptReport) => ReportOutcome = () => 'accepted';
  private readonly waiting: ClaimedAttempt[] = [];
  private readonly claims = new Map<string, ClaimedAttempt[]>();
  private readonly ended = new Set<number>();
  private nextToken = 1;
  private wake: (() => void)[] = [];

  /** Kept while it is closed. */
  port = 0;

  private constructor(private readonly server: Server) {}

  static async start(port = 0): Promise<ScriptedMaster> {
    const server = createServer();
    const master = new ScriptedMaster(server);
    server.on('request', (request, response) => void master.serve(request, response));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    master.port = (server.address() as AddressInfo).port;
    return master;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  submit(parameters: object, job: Partial<ClaimedJobBody> = {}): ClaimedAttempt {
    const claimed: ClaimedAttempt = {
      job: {
        id: randomUUID(),
        sequence_number: this.nextToken,
        scenario: 'test',
        parameters,
        queue: 'default',
        priority: 'medium',
        engine: 'auto',
        attempt: 1,
        timeout_seconds: null,
        created_at: new Date().toISOString(),
        ...job,
      },
      lease_token: this.nextToken++,
      lease_seconds: this.leaseSeconds,
    };
    this.waiting.push(claimed);
    for (const wake of this.wake.splice(0)) wake();
    return claimed;
  }

  of(route: Route): Seen[] {
    return this.seen.filter((each) => each.route === route);
  }

  heartbeatsOf(jobId: string): AttemptHeartbeat[] {
    return this.of('heartbeat')
      .flatMap(({ body }) => body.attempts as AttemptHeartbeat[])
      .filter((each) => each.job_id === jobId);
  }

  reportOf(jobId: string): AttemptReport & { outcome: ReportOutcome } {
    const report = this.reports.find((each) => each.job_id === jobId);
    if (!report) throw new Error(`no report of ${jobId} yet`);
    return report;
  }

  /** Stops listening and cuts what is open, as a killed master does. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    for (const wake of this.wake.splice(0)) wake();
    await closed;
  }

  async listenAgain(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace(/^\/api\/v1\//, '');
    const route = path.split('/').at(-1) as Route;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>;
    const key = request.headers.authorization?.replace('Bearer ', '');
    this.seen.push({ route, path, body, at: performance.now(), key });
    const mischief = this.mischief(route, body);
    if (typeof mischief === 'object') {
      response.writeHead(mischief.status, mischief.headers).end('{}');
      return;
    }
    if (mischief === 'hang') return;
    const answer = await this.answer(route, path, body, response);
    if (mischief === 'cut') request.socket.destroy();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  private async answer(
    route: Route,
    path: string,
    body: Record<string, unknown>,
    response: ServerResponse,
  ): Promise<unknown> {
    switch (route) {
      case 'nodes':
        return {
          id: this.nodeId,
          name: (body as unknown as NodeRegistration).name,
          heartbeat_interval_seconds: this.heartbeatSeconds,
          lease_seconds: this.leaseSeconds,
        };
      case 'claim':
        return { jobs: await this.claim(body, (body.wait_seconds as number) * 1000, response) };
      case 'heartbeat':
        return {
          drain: this.drain,
          attempts: (body.attempts as AttemptHeartbeat[]).map(({ job_id }) => ({
            job_id,
            lease: 'extended',
            lease_seconds: this.leaseSeconds,
            cancel: false,
            pause: false,
            ...this.verdicts.get(job_id),
          })),
        };
      case 'report':
        return {
          results: (body.results as AttemptReport[]).map((report) => this.report(report)),
          jobs: body.claim ? await this.claim(body.claim as Record<string, unknown>, 0, response) : [],
        };
      case 'logs': {
        const jobId = path.split('/')[1] ?? '';
        const text = (this.logs.get(jobId) ?? '').slice(0, body.offset as number) + (body.text as string);
        this.logs.set(jobId, text);
        return { next_offset: text.length };
      }
    }
  }

  private async claim(
    claim: Record<string, unknown>,
    waitMs: number,
    response: ServerResponse,
  ): Promise<ClaimedAttempt[]> {
    const id = claim.claim_id as string;
    const before = this.claims.get(id);
    if (before) return before;
    if (this.waiting.length === 0 && waitMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        response.once('close', resolve);
        this.wake.push(() => (clearTimeout(timer), resolve()));
      });
    }
    if (response.closed) return [];
    const jobs = this.waiting.splice(0, claim.max_jobs as number);
    this.claims.set(id, jobs);
    return jobs;
  }

  private report(report: AttemptReport): { job_id: string; outcome: ReportOutcome } {
    const repeated = this.ended.has(report.lease_token);
    const outcome = repeated ? 'duplicate' : this.outcome(report);
    if (outcome === 'accepted') this.ended.add(report.lease_token);
    this.reports.push({ ...report, outcome });
    return { job_id: report.job_id, outcome };
  }
}
