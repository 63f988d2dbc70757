/**
 * Carries ffmpeg's log to the masters, best effort: a slow or absent master never holds up the job. Text
 * is kept until a master has it, up to a bound; what comes beyond that is counted and told at the end.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { LogAnswer, LogChunk } from '../protocol/log-chunk.js';
import type { MasterClient } from './master-client.js';

const FLUSH_INTERVAL_MS = 1_000;
const ASK_TIMEOUT_MS = 5_000;
const MAX_CHUNK = 32_768;
/** Per attempt; ffmpeg writes some 3 KB in a good run, and a damaged input can make it write without end. */
const MAX_KEPT = 262_144;
const MAX_SENT = 2_097_152;
const LAST_LINES = 40;

export class AttemptLog {
  /** Of the first character kept, in UTF-16 units from the attempt's first. */
  private offset = 0;
  private kept = '';
  private dropped = 0;
  private tail = '';
  private unended = '';
  private closed = false;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: MasterClient,
    private readonly attempt: { jobId: string; leaseToken: number },
    /** Replaced wherever it occurs: stream keys stand in ffmpeg's log. */
    private readonly secret?: string,
  ) {}

  write(piece: string): void {
    const text = this.wholeLines(piece.replaceAll('\r', '\n').replaceAll('\u0000', ''));
    this.tail = (this.tail + text).slice(-LAST_LINES * 200);
    if (
      this.closed ||
      this.kept.length + text.length > MAX_KEPT ||
      this.offset + this.kept.length > MAX_SENT
    ) {
      this.dropped += text.length;
      return;
    }
    this.kept += text;
    this.timer ??= setTimeout(() => this.flush(), FLUSH_INTERVAL_MS);
  }

  get lastLines(): string[] {
    return this.tail
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-LAST_LINES);
  }

  /** Sends what is left, for at most this long; after the report the token is dead. */
  async close(withinMs: number): Promise<void> {
    if (this.unended !== '') this.write('\n');
    if (this.dropped > 0) this.kept += `\n[${this.dropped} characters of log left out]\n`;
    this.closed = true;
    this.flush();
    await Promise.race([this.sending, delay(withinMs, undefined, { ref: false })]);
    this.kept = '';
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.sending = this.sending.then(() => this.send());
  }

  private async send(): Promise<void> {
    while (this.kept !== '') {
      const text = this.kept.slice(0, MAX_CHUNK);
      const chunk: LogChunk = { lease_token: this.attempt.leaseToken, offset: this.offset, text };
      try {
        const answer = await this.client.ask<Partial<LogAnswer>>(`/jobs/${this.attempt.jobId}/logs`, chunk, {
          timeoutMs: ASK_TIMEOUT_MS,
        });
        if (!this.advanceTo(answer.next_offset ?? this.offset + text.length)) return;
      } catch {
        if (!this.closed) this.timer ??= setTimeout(() => this.flush(), 5 * FLUSH_INTERVAL_MS);
        return;
      }
    }
  }

  /** False where the master wants text that is gone, or moves nothing: then the log ends here. */
  private advanceTo(next: number): boolean {
    const step = next - this.offset;
    if (step <= 0 || step > this.kept.length) {
      this.closed = true;
      this.kept = '';
      return false;
    }
    this.kept = this.kept.slice(step);
    this.offset = next;
    return true;
  }

  /** A secret may be cut in two by the pipe, so the last line waits for its end. */
  private wholeLines(piece: string): string {
    if (this.secret === undefined) return piece;
    const text = this.unended + piece;
    const end = this.closed || text.length > MAX_CHUNK ? text.length : text.lastIndexOf('\n') + 1;
    this.unended = text.slice(end);
    return text.slice(0, end).replaceAll(this.secret, '***');
  }
}
