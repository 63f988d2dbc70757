/** What goes over the old wire, written down: requests as they were sent, answers with all their headers. */
import { Agent, request, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface Sent {
  readonly body?: string;
  /** Beside the key. */
  readonly headers?: Record<string, string>;
  /** Null for none. */
  readonly key?: string | null;
}

export interface Exchanged {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

/** One client over a connection that it keeps, as Go's do. */
export class Transcript {
  private readonly lines: string[] = [];
  private readonly names = new Map<string, string>();
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  /** Notes what the next exchanges show. */
  note(text: string): void {
    this.lines.push(`# ${text}`, '');
  }

  async send(
    method: string,
    path: string,
    { body, headers = {}, key = this.key }: Sent = {},
  ): Promise<Exchanged> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const length = body !== undefined || method === 'POST' ? Buffer.byteLength(body ?? '') : undefined;
      const sent = request(`${this.url}${path}`, {
        method,
        agent: this.agent,
        headers: {
          'user-agent': 'Go-http-client/1.1',
          ...(length !== undefined && { 'content-length': length }),
          ...(key !== null && { authorization: `Bearer ${key}` }),
          ...headers,
        },
      });
      sent.on('response', resolve).on('error', reject).end(body);
    });
    const text = (await buffer(answer)).toString('utf8');
    this.lines.push(`> ${method} ${path}`);
    for (const [name, value] of Object.entries(headers)) this.lines.push(`> ${name}: ${value}`);
    if (key === null) this.lines.push('> (no key)');
    if (body !== undefined) this.lines.push(`> ${body.length > 500 ? `(${body.length} characters)` : body}`);
    this.lines.push(`< ${answer.statusCode}`);
    for (let at = 0; at < answer.rawHeaders.length; at += 2)
      this.lines.push(`< ${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}`);
    this.lines.push(JSON.stringify(text), '');
    return { status: answer.statusCode ?? 0, headers: answer.headers as Record<string, string>, text };
  }

  close(): void {
    this.agent.destroy();
  }

  /** What differs from run to run has names: ids, times, lengths that come of them. */
  text(): string {
    return this.lines
      .join('\n')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => this.named(id))
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME')
      .replaceAll(/^< date: .*$/gim, '< date: DATE')
      .replaceAll(/^< content-length: [0-9]{3,}$/gim, '< content-length: LENGTH')
      .replaceAll(/^< x-request-id: .*$/gim, '< x-request-id: ID');
  }

  private named(id: string): string {
    const name = this.names.get(id) ?? `ID-${this.names.size + 1}`;
    this.names.set(id, name);
    return name;
  }
}
