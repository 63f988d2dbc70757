/** Reads the stream of all events for as long as a test lasts, and resumes at any master where it was cut. */
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { History } from './history.js';
import { KEY } from './master.js';

export class StreamReader {
  /** How often it had to resume. */
  resumed = 0;
  private over = new AbortController();
  private lastId: string | undefined;
  private readonly reading: Promise<void>;
  private readonly agent = new Agent({ headersTimeout: 10_000, bodyTimeout: 0 });
  private turn = 0;
  private opened: () => void = () => undefined;
  /** Resolves when the reader has a place in the stream, from which it can resume. */
  readonly open = new Promise<void>((resolve) => (this.opened = resolve));

  constructor(
    readonly name: string,
    private readonly urls: () => readonly string[],
    private readonly history: History,
  ) {
    this.reading = this.readOn();
  }

  async stop(): Promise<void> {
    this.over.abort();
    await this.reading;
    await this.agent.destroy();
  }

  private async readOn(): Promise<void> {
    while (!this.over.signal.aborted) {
      await this.readOnce().catch(() => undefined);
      this.turn += 1;
      this.resumed += 1;
      await pause(50);
    }
  }

  private async readOnce(): Promise<void> {
    const urls = this.urls();
    const url = urls[this.turn % urls.length];
    if (url === undefined) return;
    const response = await request(`${url}/api/v1/events`, {
      dispatcher: this.agent,
      signal: this.over.signal,
      headers: {
        authorization: `Bearer ${KEY}`,
        ...(this.lastId !== undefined && { 'last-event-id': this.lastId }),
      },
    });
    if (response.statusCode !== 200) {
      await response.body.dump();
      return;
    }
    let text = '';
    for await (const chunk of response.body.setEncoding('utf8')) {
      text += chunk as string;
      const frames = text.split('\n\n');
      text = frames.pop() ?? '';
      for (const frame of frames) this.hear(frame);
    }
  }

  private hear(frame: string): void {
    const lines = frame.split('\n');
    const field = (name: string) =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const [id, data] = [field('id'), field('data')];
    const now = performance.now();
    if (field('event') === 'reset') {
      // What was missed is gone, and the reader is told so.
      this.history.add({ kind: 'reset', by: this.name, begin: now, end: now, place: id ?? '' });
    } else if (data !== undefined) {
      const { job_id, n } = JSON.parse(data) as { job_id: string; n: number };
      this.history.add({ kind: 'streamed', by: this.name, begin: now, end: now, job_id, n });
    }
    // After the event was taken in, as a careful client does: a cut in between repeats nothing and loses nothing.
    if (id !== undefined) {
      this.lastId = id;
      this.opened();
    }
  }
}
