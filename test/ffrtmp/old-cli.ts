/** The CLI of ffmpeg-rtmp, from its contract: which status each verb insists on, and how it sends what has no body. */
import { GoClient, WrongStatus, type GoAnswer } from './go-client.js';
import { decodeJob, decodeNode, type OldJob, type OldNode } from './go-decoder.js';

export type JobVerb = 'cancel' | 'pause' | 'resume' | 'retry';

export class OldCli {
  private readonly client: GoClient;

  constructor(url: string, key: string) {
    this.client = new GoClient({ url, key, tries: [] });
  }

  async submit(job: object): Promise<OldJob> {
    return decodeJob(JSON.parse(textOf(await this.client.call('POST', '/jobs', JSON.stringify(job)), 201)));
  }

  async jobs(): Promise<OldJob[]> {
    const { jobs, count } = (await this.get('/jobs')) as { jobs: unknown[] | null; count: number };
    if (count !== (jobs ?? []).length) throw new Error(`count is ${count} of ${jobs?.length} jobs`);
    return (jobs ?? []).map(decodeJob);
  }

  async job(reference: string): Promise<OldJob> {
    return decodeJob(await this.get(`/jobs/${reference}`));
  }

  async logs(reference: string): Promise<string> {
    return ((await this.get(`/jobs/${reference}/logs`)) as { logs: string }).logs;
  }

  /** Without a body and without a Content-Type; the answer's body is not read. */
  async change(reference: string, verb: JobVerb): Promise<void> {
    textOf(await this.client.call('POST', `/jobs/${reference}/${verb}`, null, ''));
  }

  async nodes(): Promise<OldNode[]> {
    const { nodes } = (await this.get('/nodes')) as { nodes: unknown[] | null };
    return (nodes ?? []).map(decodeNode);
  }

  async node(id: string): Promise<OldNode> {
    return decodeNode(await this.get(`/nodes/${id}`));
  }

  async removeNode(id: string): Promise<void> {
    const answer = await this.client.call('DELETE', `/nodes/${id}`, null, '');
    if (answer.status !== 204) textOf(answer);
  }

  close(): void {
    this.client.close();
  }

  private async get(path: string): Promise<unknown> {
    return JSON.parse(textOf(await this.client.call('GET', path))) as unknown;
  }
}

/** What it prints is `API error (status N): body`. */
function textOf(answer: GoAnswer, status = 200): string {
  if (answer.status !== status) throw new WrongStatus(answer);
  return answer.text;
}
