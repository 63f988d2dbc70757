import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Draining } from '../../signals/draining.js';

/** Milliseconds; balancers cut what is silent for a minute, and a dead client is found by writing to it. */
const KEEP_ALIVE = 15_000;

/** Characters that may wait for a client that does not read; then it is cut, and resumes when it can. */
const MOST_WAITING = 1024 * 1024;

/** Milliseconds a client may take to read what is waiting while it catches up. */
const DRAIN_WITHIN = 30_000;

/** Milliseconds after which an EventSource comes again. */
const RETRY = 1_000;

export interface SseOptions {
  readonly draining: Draining;
  /** What to send when nothing else was; a comment unless given. */
  readonly keepAlive?: () => string;
  readonly keepAliveEvery?: number;
}

/** One client of server-sent events, from the header to the end, with a bounded buffer. */
export class SseConnection {
  /** Aborted when the client is gone, was cut, or the master drains. */
  readonly closed: AbortSignal;
  private readonly end$ = new AbortController();
  private readonly raw: FastifyReply['raw'];
  private readonly timer: NodeJS.Timeout;
  private readonly forget: () => void;

  constructor(request: FastifyRequest, reply: FastifyReply, options: SseOptions) {
    this.closed = this.end$.signal;
    this.raw = reply.raw;
    reply.hijack();
    this.raw.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      'content-type': 'text/event-stream; charset=utf-8',
      // no-transform: a proxy that compresses would hold events back; nginx has a header of its own.
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    request.socket.setNoDelay(true);
    this.raw.on('close', () => this.stop());
    this.raw.on('error', () => this.stop());
    this.raw.write(`retry: ${RETRY}\n\n`);
    const keepAlive = options.keepAlive ?? (() => ': keep-alive\n\n');
    this.timer = setInterval(() => this.write(keepAlive()), options.keepAliveEvery ?? KEEP_ALIVE);
    this.forget = options.draining.onBegin(() => this.end());
    if (request.method === 'HEAD') this.end();
  }

  /** Never waits. A client with too much waiting is cut. */
  write(frame: string): void {
    if (this.closed.aborted) return;
    this.raw.write(frame);
    if (this.raw.writableLength > MOST_WAITING) this.cut();
  }

  /** Waits until the client has read what was written; a client that does not is cut. */
  async drained(): Promise<void> {
    if (this.closed.aborted || !this.raw.writableNeedDrain) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(() => this.cut(), DRAIN_WITHIN);
      this.raw.once('drain', resolve);
      this.closed.addEventListener('abort', () => resolve(), { once: true });
    });
    clearTimeout(timer);
  }

  /** Says all that was written, and goodbye. */
  end(): void {
    if (!this.closed.aborted) this.raw.end();
    this.stop();
  }

  cut(): void {
    this.raw.destroy();
    this.stop();
  }

  private stop(): void {
    clearInterval(this.timer);
    this.forget?.();
    this.end$.abort();
  }
}
