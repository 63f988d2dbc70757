/**
 * The agent of ffmpeg-rtmp, from its contract: registers once, beats, polls while it has room for a job, looks at the job that
 * runs, and reports its end. Its times are divided by `FASTER`, its retries are its own.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { decodeJob, decodeNode, type OldJob } from './go-decoder.js';
import { GoClient, WrongStatus } from './go-client.js';

/** It beats every 30 s, polls every 10 s, looks every 5 s, and tries again after 1, 2 and 4 s. */
const FASTER = 50;
const EVERY = { beat: 30_000 / FASTER, poll: 10_000 / FASTER, look: 5_000 / FASTER };
/** Slower than the others by five: a master that is killed is away for longer than a fiftieth of 7 s. */
const TRIES = [1_000, 2_000, 4_000].map((ms) => ms / 10);

export interface GoAgentOptions {
  readonly url: string;
  readonly key: string;
  /** Its host's name. */
  readonly address: string;
  readonly hasGpu?: boolean;
  /** What ffmpeg does; ends early where the signal says so. */
  readonly work: (job: OldJob, signal: AbortSignal) => Promise<{ error?: string; logs: string }>;
}

export class GoAgent {
  readonly client: GoClient;
  nodeId = '';
  /** Ids in the order in which jobs were given. */
  readonly given: string[] = [];
  /** What it could do nothing about: a fatal exit over there, or an answer that it could not decode. */
  readonly failures: Error[] = [];
  private readonly stopping = new AbortController();
  private readonly loops: Promise<void>[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly options: GoAgentOptions) {
    this.client = new GoClient({ url: options.url, key: options.key, tries: TRIES });
  }

  /** Throws where it would exit: at any status but 200 and 201, without another try. */
  async start(): Promise<void> {
    const answer = await this.client.call(
      'POST',
      '/nodes/register',
      JSON.stringify({
        address: this.options.address,
        type: 'server',
        cpu_threads: 8,
        cpu_model: 'double',
        has_gpu: this.options.hasGpu ?? false,
        ram_total_bytes: 16_000_000_000,
        labels: { os: 'linux', arch: 'amd64', node_type: 'server' },
      }),
    );
    if (answer.status !== 200 && answer.status !== 201) throw new WrongStatus(answer);
    this.nodeId = decodeNode(JSON.parse(answer.text)).id;
    this.loops.push(
      this.each(EVERY.beat, () => this.beat()),
      this.each(EVERY.poll, () => this.poll()),
    );
  }

  /** SIGTERM: polls no more, and waits for its job. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
    await this.running;
    this.client.close();
  }

  private async each(ms: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await wait(ms, undefined, { signal }).catch(() => undefined);
      // It logs what went wrong, and goes on.
      if (!signal.aborted) await work().catch((error: Error) => this.note(error));
    }
  }

  /** Whatever its tries did not heal, but for a master that answers that it cannot, which happens. */
  private note(error: Error): void {
    if (!(error instanceof WrongStatus) || error.answer.status < 500) this.failures.push(error);
  }

  private async beat(): Promise<void> {
    await this.client.insist('POST', `/nodes/${this.nodeId}/heartbeat`, '');
  }

  private async poll(): Promise<void> {
    if (this.running !== undefined) return;
    const text = await this.client.insist('GET', `/jobs/next?node_id=${this.nodeId}`, null);
    const { job } = JSON.parse(text) as { job?: unknown };
    if (job === undefined) throw new Error(`a poll was answered without a job: ${text}`);
    if (job === null) return;
    const taken = decodeJob(job);
    this.given.push(taken.id);
    this.running = this.run(taken)
      .catch((error: Error) => this.note(error))
      .finally(() => (this.running = undefined));
  }

  private async run(job: OldJob): Promise<void> {
    const ended = new AbortController();
    const killed = new AbortController();
    const looking = this.look(job.id, ended.signal, killed);
    const { error, logs } = await this.options.work(job, killed.signal);
    ended.abort();
    await looking;
    // A race of its own: what was canceled is reported as failed.
    const why = killed.signal.aborted ? 'ffmpeg execution failed: signal: terminated' : error;
    await this.client.insist(
      'POST',
      '/results',
      JSON.stringify({
        job_id: job.id,
        node_id: this.nodeId,
        status: why === undefined ? 'completed' : 'failed',
        metrics: { duration: 1.5, engine: 'ffmpeg', encoding_fps: '50.0' },
        ...(why !== undefined && { error: why }),
        logs,
        completed_at: new Date().toISOString(),
      }),
    );
  }

  /** A status other than 200 is only logged there. */
  private async look(id: string, ended: AbortSignal, killed: AbortController): Promise<void> {
    while (!ended.aborted) {
      await wait(EVERY.look, undefined, { signal: ended }).catch(() => undefined);
      if (ended.aborted) return;
      const answer = await this.client.call('GET', `/api/v1/jobs/${id}`).catch(() => undefined);
      if (answer?.status === 200 && decodeJob(JSON.parse(answer.text)).status === 'canceled') killed.abort();
    }
  }
}
