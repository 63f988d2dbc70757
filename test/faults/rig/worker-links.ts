/** The links of one worker to its masters, that fail together or one by one. */
import { FaultProxy, type Direction } from './fault-proxy.js';
import type { Master } from './master.js';

export class WorkerLinks {
  private constructor(readonly links: readonly FaultProxy[]) {}

  static async to(masters: readonly Master[]): Promise<WorkerLinks> {
    const ports = masters.map(({ url }) => Number(new URL(url).port));
    return new WorkerLinks(
      await Promise.all(ports.map((port) => FaultProxy.start({ host: '127.0.0.1', port }))),
    );
  }

  /** What the worker knows the masters by, in their order. */
  readonly urls = (): string[] => this.links.map(({ port }) => `http://127.0.0.1:${port}`);

  /** Everything, until `release`; bytes that are under way then arrive late. */
  hold(directions?: readonly Direction[]): void {
    for (const link of this.links) link.hold(undefined, directions);
  }

  release(): void {
    for (const link of this.links) link.release();
  }

  /** Cuts the answer to the next request that matches, at whichever master; answers when it has happened. */
  cutAnswerTo(request: RegExp): Promise<void> {
    return Promise.race(this.links.map((link) => link.cutAnswerTo(request)));
  }

  get held(): number {
    return this.links.reduce((sum, { counts }) => sum + counts.held, 0);
  }

  get answersCut(): number {
    return this.links.reduce((sum, { counts }) => sum + counts.answers_cut, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close()));
  }
}
