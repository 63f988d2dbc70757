import type { ServerResponse } from 'node:http';
import type { Milliseconds } from '../config/durations.js';

/** Answers of /jobs/next on their way. */
export class Deliveries {
  /** Claims whose answer is being made, or was written to a connection that is open. */
  private readonly open = new Set<string>();
  private readonly timers = new Set<NodeJS.Timeout>();

  /**
   * @param doubt for how long an answer whose connection was closed may have got lost
   * @param settled a connection that is still open this long after an answer was written has carried it
   */
  constructor(
    private readonly doubt: Milliseconds,
    private readonly settled: Milliseconds,
  ) {}

  isOpen(claim_id: string): boolean {
    return this.open.has(claim_id);
  }

  /** An answer for the claim is being made: nobody else's poll is its repeat, unless the connection ends before. */
  begin(claim_id: string, response: ServerResponse): void {
    this.open.add(claim_id);
    response.once('close', () => {
      if (!response.writableFinished) this.open.delete(claim_id);
    });
  }

  /** There is none: what was claimed was handed back. */
  drop(claim_id: string): void {
    this.open.delete(claim_id);
  }

  /**
   * Calls `read` once: when the answer has been read as far as one can tell, or can no more be asked for again.
   * @param keeps whether the client keeps its connections; one that does not closes them whatever it got
   */
  watch(claim_id: string, response: ServerResponse, keeps: boolean, read: () => Promise<void>): void {
    const { socket } = response;
    const close = () => this.open.delete(claim_id);
    const settle = async () => {
      if (keeps && !this.open.has(claim_id)) return this.after(this.doubt, () => void read());
      await read();
      this.open.delete(claim_id);
      socket?.off('close', close);
    };
    response.once('finish', () => {
      if (!socket || socket.destroyed) {
        close();
        return this.after(keeps ? this.doubt : 0, () => void read());
      }
      this.open.add(claim_id);
      socket.once('close', close);
      this.after(keeps ? this.settled : 0, () => void settle());
    });
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  private after(wait: Milliseconds, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, wait);
    timer.unref();
    this.timers.add(timer);
  }
}
