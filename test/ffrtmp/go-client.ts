/**
 * HTTP as the Go programs of ffmpeg-rtmp speak it: connections that are kept, a GET on a kept connection that was cut is
 * repeated at once, and the agent's own tries come after 1, 2 and 4 s whatever went wrong, a 4xx as well.
 */
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';

export interface GoAnswer {
  readonly status: number;
  readonly text: string;
}

export interface GoClientOptions {
  /** Of a master, or of what stands before several; without a slash at its end. */
  readonly url: string;
  readonly key: string;
  /** Milliseconds before each further try; the agent's are 1,000, 2,000 and 4,000. */
  readonly tries?: readonly number[];
}

export class WrongStatus extends Error {
  constructor(readonly answer: GoAnswer) {
    super(`status ${answer.status}: ${answer.text.trim()}`);
  }
}

export class GoClient {
  private readonly connections = new Agent({ keepAlive: true });
  private readonly tries: readonly number[];
  /** GETs that the transport sent again by itself. */
  repeats = 0;

  constructor(private readonly options: GoClientOptions) {
    this.tries = options.tries ?? [1_000, 2_000, 4_000];
  }

  /** One call, without the agent's tries. Null as body: none, and no Content-Type. */
  async call(
    method: string,
    path: string,
    body: string | null = null,
    type = 'application/json',
  ): Promise<GoAnswer> {
    try {
      return await this.send(method, path, body, type);
    } catch (error) {
      if (method !== 'GET' || !(error as { reused?: boolean }).reused) throw error;
      this.repeats += 1;
      return this.send(method, path, body, type);
    }
  }

  /** Until it is answered with exactly this status, or the tries are used up: then the last failure is thrown. */
  async insist(method: string, path: string, body: string | null, status = 200): Promise<string> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const answer = await this.call(method, path, body);
        if (answer.status === status) return answer.text;
        throw new WrongStatus(answer);
      } catch (error) {
        const pause = this.tries[attempt];
        if (pause === undefined) throw error;
        await wait(pause);
      }
    }
  }

  close(): void {
    this.connections.destroy();
  }

  private async send(method: string, path: string, body: string | null, type: string): Promise<GoAnswer> {
    let sent: ClientRequest | undefined;
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        sent = request(`${this.options.url}${path}`, {
          method,
          agent: this.connections,
          headers: {
            'User-Agent': 'Go-http-client/1.1',
            Authorization: `Bearer ${this.options.key}`,
            ...(type !== '' && { 'Content-Type': type }),
            ...(method === 'POST' && { 'Content-Length': Buffer.byteLength(body ?? '') }),
          },
        });
        sent
          .on('response', resolve)
          .on('error', reject)
          .end(body ?? undefined);
      });
      return { status: answer.statusCode ?? 0, text: await text(answer) };
    } catch (error) {
      throw Object.assign(error as Error, { reused: sent?.reusedSocket === true });
    }
  }
}
