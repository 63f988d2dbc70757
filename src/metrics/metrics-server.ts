/** The metrics port of a master or a worker: `/metrics` for Prometheus and `/health`, without a key, and nothing else. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface MetricsServerOptions {
  registry: Registry;
  /** The answer to `/health`, always with status 200: it says that the process lives. */
  health: () => object | Promise<object>;
  /** 0: any free one. */
  port: number;
  /** Default: all addresses. */
  host?: string;
  /** The key of the setting that holds the port, for the message when it is taken. */
  setting?: string;
}

export class MetricsServer {
  private readonly server: Server;

  constructor(private readonly options: MetricsServerOptions) {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  /** Answers the port that it listens on. Throws a sentence that says what to do where that port is taken. */
  async start(): Promise<number> {
    const { port, host = '0.0.0.0', setting = 'metrics.port' } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error) => reject(explained(error, port, setting)));
      this.server.listen({ port, host }, resolve);
    });
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends when the last answer was sent; idle connections are closed. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeIdleConnections();
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const found = await this.route(request);
      response.writeHead(found.status, { 'content-type': found.type }).end(found.body);
    } catch {
      response.writeHead(500, { 'content-type': TEXT }).end('the figures could not be read\n');
    }
  }

  private async route({ method, url = '' }: IncomingMessage): Promise<Answer> {
    const { registry, health } = this.options;
    const path = url.split('?')[0];
    if (path !== '/metrics' && path !== '/health') {
      return { status: 404, type: TEXT, body: 'here are /metrics and /health\n' };
    }
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: TEXT, body: 'only GET\n' };
    return path === '/metrics'
      ? { status: 200, type: registry.contentType, body: await registry.metrics() }
      : { status: 200, type: 'application/json; charset=utf-8', body: JSON.stringify(await health()) };
  }
}

interface Answer {
  status: number;
  type: string;
  body: string;
}

const TEXT = 'text/plain; charset=utf-8';

function explained(error: NodeJS.ErrnoException, port: number, setting: string): Error {
  const reasons: Record<string, string> = {
    EADDRINUSE: `port ${port} is taken by another program: stop it, or choose another port with ${setting}`,
    EACCES: `port ${port} is not allowed to this user: choose one above 1023 with ${setting}`,
  };
  return new Error(reasons[error.code ?? ''] ?? `the metrics port cannot be opened: ${error.message}`, {
    cause: error,
  });
}
