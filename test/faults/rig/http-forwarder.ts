/**
 * Hands requests on to a master, and its answers back, unchanged; a hang-up of either side reaches the other. Keeps
 * the calls of workers that nobody else can record, where it is given a way to.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Agent, request } from 'undici';

/** A request that was handed on. */
export interface Forwarded {
  /** Milliseconds of `performance.now()`. */
  readonly begin: number;
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** Undefined: none came, or its sender was gone before it did. */
  readonly answer: { readonly status: number; readonly body: string; readonly url: string } | undefined;
}

/** Of one connection, not of the message. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host']);

export class HttpForwarder {
  private readonly agent = new Agent({
    pipelining: 1,
    connect: { timeout: 2_000 },
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  private constructor(
    private readonly server: Server,
    private readonly target: () => string,
    private readonly record: (forwarded: Forwarded) => void,
  ) {
    server.on('request', (incoming, outgoing) => void this.forward(incoming, outgoing));
  }

  /**
   * @param target where the next request goes; where it throws, the request is hung up on
   * @param record is called before the answer is passed on, so that nothing that follows from it is recorded earlier
   */
  static async start(
    target: () => string,
    record: (forwarded: Forwarded) => void = () => undefined,
  ): Promise<HttpForwarder> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new HttpForwarder(server, target, record);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await this.agent.destroy();
  }

  private async forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const begin = performance.now();
    const { method = 'GET', url: path = '/' } = incoming;
    const hungUp = new AbortController();
    outgoing.once('close', () => hungUp.abort());
    outgoing.on('error', () => undefined);
    let body: Buffer = Buffer.alloc(0);
    try {
      body = await buffer(incoming);
      const url = this.target();
      const answer = await request(`${url}${path}`, {
        method,
        headers: endToEnd(incoming.headers),
        ...(body.length > 0 && { body }),
        dispatcher: this.agent,
        signal: hungUp.signal,
      });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      const { statusCode: status } = answer;
      this.record({
        begin,
        method,
        path,
        body: body.toString(),
        answer: { status, body: bytes.toString(), url },
      });
      outgoing.writeHead(status, endToEnd(answer.headers)).end(bytes);
    } catch {
      this.record({ begin, method, path, body: body.toString(), answer: undefined });
      incoming.socket.destroy();
    }
  }
}

function endToEnd(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const kept = Object.entries(headers).filter(
    (entry): entry is [string, string | string[]] => entry[1] !== undefined && !HOP_BY_HOP.has(entry[0]),
  );
  return Object.fromEntries(kept);
}
