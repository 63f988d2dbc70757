import type { FastifyReply } from 'fastify';
import type { Asker } from './waiting-claim.js';

/**
 * The connection that an answer goes to. `gone` once it closed before the answer was handed to the
 * kernel: whoever asked cannot have got it.
 */
export class Connection implements Asker {
  private closed = false;
  private readonly listeners: (() => void)[] = [];

  constructor(reply: FastifyReply) {
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
