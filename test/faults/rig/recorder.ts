/** Calls of the API that go into the history, with begin, end and answer. */
import { request, Agent } from 'undici';
import type { ClaimAnswer, ClaimedAttempt } from '../../../src/protocol/claim.js';
import type { HeartbeatAnswer } from '../../../src/protocol/heartbeat.js';
import type { AttemptReport, ReportAnswer } from '../../../src/protocol/report.js';
import type { Handed, History, Intervene } from './history.js';
import { KEY } from './master.js';

/** An answer of a master. */
export interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
  readonly url: string;
}

export interface Caller {
  /** Shown in the history. */
  readonly name: string;
  /** Where to send the next request: another one each time behind a balancer, the same one else. */
  readonly url: () => string;
}

/** No answer after so long is no answer: the request may still be carried out. */
const PATIENCE = 2_500;

export class Recorder {
  private readonly agent = new Agent({ connections: 256, pipelining: 1, connect: { timeout: 2000 } });

  constructor(readonly history: History) {}

  /** One attempt; undefined where nobody answered. */
  async post<Body>(
    caller: Caller,
    path: string,
    body: unknown,
    { headers = {}, patience = PATIENCE }: { headers?: Record<string, string>; patience?: number } = {},
  ): Promise<Reply<Body> | undefined> {
    try {
      const url = caller.url();
      const response = await request(`${url}/api/v1${path}`, {
        method: 'POST',
        dispatcher: this.agent,
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(patience),
      });
      const text = await response.body.text();
      return { status: response.statusCode, body: (text === '' ? {} : JSON.parse(text)) as Body, url };
    } catch {
      return undefined;
    }
  }

  async submit(caller: Caller, jobs: readonly object[], key?: string): Promise<Reply<unknown> | undefined> {
    const begin = performance.now();
    const [path, body] = jobs.length === 1 ? ['/jobs', jobs[0]] : ['/jobs/batch', { jobs }];
    const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
    const reply = await this.post<{ id?: string; jobs?: { id: string }[] }>(caller, path, body, { headers });
    const made = reply?.status === 201 ? (reply.body.jobs ?? [{ id: reply.body.id ?? '' }]) : [];
    this.history.add({
      kind: 'submit',
      by: caller.name,
      begin,
      ...ended(reply),
      ...(key !== undefined && { key }),
      body: JSON.stringify(jobs),
      job_ids: made.map(({ id }) => id),
    });
    return reply;
  }

  async claim(
    caller: Caller,
    node_id: string,
    claim: { claim_id: string; max_jobs: number; wait_seconds?: number },
  ): Promise<{ reply: Reply<ClaimAnswer> | undefined; begin: number }> {
    const begin = performance.now();
    const patience = PATIENCE + (claim.wait_seconds ?? 0) * 1000;
    const reply = await this.post<ClaimAnswer>(caller, `/nodes/${node_id}/claim`, claim, { patience });
    this.history.add({
      kind: 'claim',
      by: caller.name,
      begin,
      ...ended(reply),
      node_id,
      claim_id: claim.claim_id,
      handed: reply?.status === 200 ? reply.body.jobs.map(asHanded) : [],
      ...(reply && { at: reply.url }),
    });
    return { reply, begin };
  }

  async heartbeat(
    caller: Caller,
    node_id: string,
    attempts: readonly { job_id: string; lease_token: number; started?: boolean; progress?: number }[],
  ): Promise<{ reply: Reply<HeartbeatAnswer> | undefined; begin: number }> {
    const begin = performance.now();
    const reply = await this.post<HeartbeatAnswer>(caller, `/nodes/${node_id}/heartbeat`, { attempts });
    const answers = reply?.status === 200 ? reply.body.attempts : [];
    this.history.add({
      kind: 'heartbeat',
      by: caller.name,
      begin,
      ...ended(reply),
      node_id,
      attempts: attempts.map(({ job_id, lease_token }, k) => {
        const answer = answers[k];
        if (answer === undefined) return { job_id, lease_token };
        return { job_id, lease_token, lease: answer.lease, lease_seconds: answer.lease_seconds };
      }),
    });
    return { reply, begin };
  }

  async report(
    caller: Caller,
    node_id: string,
    results: readonly Pick<AttemptReport, 'job_id' | 'lease_token' | 'status' | 'error' | 'failure_reason'>[],
    claim?: { claim_id: string; max_jobs: number },
  ): Promise<{ reply: Reply<ReportAnswer> | undefined; begin: number }> {
    const begin = performance.now();
    const body = { results, ...(claim && { claim }) };
    const reply = await this.post<ReportAnswer>(caller, `/nodes/${node_id}/report`, body);
    const answers = reply?.status === 200 ? reply.body.results : [];
    this.history.add({
      kind: 'report',
      by: caller.name,
      begin,
      ...ended(reply),
      node_id,
      results: results.map(({ job_id, lease_token, status }, k) => {
        const outcome = answers[k]?.outcome;
        return { job_id, lease_token, status, ...(outcome && { outcome }) };
      }),
      ...(claim && { claim_id: claim.claim_id }),
      handed: reply?.status === 200 ? reply.body.jobs.map(asHanded) : [],
    });
    return { reply, begin };
  }

  async intervene(
    caller: Caller,
    kind: Intervene['kind'],
    job_id: string,
  ): Promise<Reply<unknown> | undefined> {
    const begin = performance.now();
    const reply = await this.post(caller, `/jobs/${job_id}/${kind}`, {});
    this.history.add({ kind, by: caller.name, begin, ...ended(reply), job_id });
    return reply;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

/** What `end` and `status` of an operation are: a 503 or 500 leaves open whether it was carried out. */
function ended(reply: Reply<unknown> | undefined): { end?: number; status?: number } {
  if (reply === undefined) return {};
  return { status: reply.status, ...(reply.status < 500 && { end: performance.now() }) };
}

function asHanded({ job, lease_token, lease_seconds }: ClaimedAttempt): Handed {
  return { job_id: job.id, lease_token, lease_seconds };
}
