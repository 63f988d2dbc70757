/** Calls of the API that go into the history, with begin, end and answer. */
import { request, Agent } from 'undici';
import type { ClaimAnswer } from '../../../src/protocol/claim.js';
import type { HeartbeatAnswer } from '../../../src/protocol/heartbeat.js';
import type { AttemptReport, ReportAnswer } from '../../../src/protocol/report.js';
import type { History, Intervene } from './history.js';
import { KEY } from './master.js';
import { claimOperation, ended, heartbeatOperation, reportOperation, type Reply } from './operations.js';

export type { Reply };

export interface Caller {
  /** Shown in the history. */
  readonly name: string;
  /** Where to send the next request: another one each time behind a balancer, the same one else. */
  readonly url: () => string;
  /** Milliseconds after which it takes no answer for none; the request may still be carried out. Default 30,000. */
  readonly patience?: number;
  /** Hears of a master that took a request and said nothing, for as long as anybody waits. */
  readonly heardNothing?: (url: string) => void;
}

/** Of a test that demands an answer: on a busy machine one took longer than a worker would wait. */
const PATIENCE = 30_000;

/** Of whoever asks another master then, and expects some to be silent. */
export const SOON_ELSEWHERE = 2_500;

export class Recorder {
  private readonly agent = new Agent({ connections: 256, pipelining: 1, connect: { timeout: 2000 } });

  constructor(readonly history: History) {}

  /** One attempt; undefined where nobody answered. */
  async post<Body>(
    caller: Caller,
    path: string,
    body: unknown,
    {
      headers = {},
      patience = patienceOf(caller),
    }: { headers?: Record<string, string>; patience?: number } = {},
  ): Promise<Reply<Body> | undefined> {
    let url: string | undefined;
    try {
      url = caller.url();
      const response = await request(`${url}/api/v1${path}`, {
        method: 'POST',
        dispatcher: this.agent,
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(patience),
      });
      const text = await response.body.text();
      return { status: response.statusCode, body: (text === '' ? {} : JSON.parse(text)) as Body, url };
    } catch (error) {
      if ((error as Error).name === 'TimeoutError') caller.heardNothing?.(url ?? '');
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
    const patience = patienceOf(caller) + (claim.wait_seconds ?? 0) * 1000;
    const reply = await this.post<ClaimAnswer>(caller, `/nodes/${node_id}/claim`, claim, { patience });
    this.history.add(claimOperation({ by: caller.name, begin, node_id, reply }, claim.claim_id));
    return { reply, begin };
  }

  async heartbeat(
    caller: Caller,
    node_id: string,
    attempts: readonly { job_id: string; lease_token: number; started?: boolean; progress?: number }[],
  ): Promise<{ reply: Reply<HeartbeatAnswer> | undefined; begin: number }> {
    const begin = performance.now();
    const reply = await this.post<HeartbeatAnswer>(caller, `/nodes/${node_id}/heartbeat`, { attempts });
    this.history.add(heartbeatOperation({ by: caller.name, begin, node_id, reply }, attempts));
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
    this.history.add(reportOperation({ by: caller.name, begin, node_id, reply }, results, claim));
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

function patienceOf({ patience = PATIENCE }: Caller): number {
  return patience;
}
