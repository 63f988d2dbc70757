import type { FastifyReply } from 'fastify';
import type { Asker } from './waiting-claim.js';

/**
 * The connection that an answer goes to. `gone` once it closed before the answer was handed to the
 * kernel: whoever asked cannot have got it. Made at the head of a request: what happened before is not
 * heard.
 */
export class Connection implements Asker {
  private closed = false;
  private readonly listeners: (() => void)[] = [];

  constructor(reply: FastifyReply) {
    this.closed = reply.raw.closed || reply.raw.destroyed || reply.raw.socket?.destroyed === true;
    reply.raw.once('close', () => {
      if (reply.raw.writableFinished) return;
      this.closed = true;
      for (const listener of this.listeners) listener();
    });
  }

  get gone(): boolean {
    return this.closed;
  }

  onGone(listener: () => void): void {
    if (this.closed) listener();
    else this.listeners.push(listener);
  }
}
