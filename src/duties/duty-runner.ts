/**
 * Runs the duties while this master leads: all of them once, in their order, as soon as a term begins, then
 * each at its interval. The intervals stand in the registry of @nestjs/schedule, under the duties' names; it
 * neither skips a run while the last one is still going nor catches a rejection, so both are done here.
 */
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import type { SchedulerRegistry } from '@nestjs/schedule';
import type { Leadership, Term } from '../leadership/leadership.js';
import type { Logger } from '../logging/logger.js';
import { type Duty, TermOver } from './duty.js';
import type { DutyMetrics } from './duty.metrics.js';

/** Milliseconds after which a duty of once a term that failed is tried again. */
const AGAIN_AFTER = 1_000;

/** A straggler's statement may end without us: the fence covers it, and the next leader must not wait. */
const STOPPED_WITHIN = 100;

export interface DutyRunnerParts {
  readonly duties: readonly Duty[];
  readonly leadership: Leadership;
  readonly scheduler: SchedulerRegistry;
  readonly metrics: DutyMetrics;
  readonly logger: Logger;
}

export class DutyRunner implements OnModuleInit, OnModuleDestroy {
  readonly #running = new Map<Duty, Promise<void>>();
  /** Duties that were asked to run while they ran. */
  readonly #again = new Set<Duty>();
  readonly #undo: (() => void)[] = [];
  #term: Term | undefined;

  constructor(private readonly parts: DutyRunnerParts) {}

  onModuleInit(): void {
    this.parts.leadership.onTermStart((term) => this.#begin(term));
    this.parts.leadership.onTermEnd(() => this.#end());
  }

  async onModuleDestroy(): Promise<void> {
    this.#end();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => (timer = setTimeout(resolve, STOPPED_WITHIN)));
    await Promise.race([Promise.all(this.#running.values()), patience]);
    clearTimeout(timer);
  }

  #begin(term: Term): void {
    this.#end();
    this.#term = term;
    for (const duty of this.parts.duties) {
      if (duty.every !== 'term') this.#schedule(duty, duty.every);
      if (duty.onTerm) this.#undo.push(duty.onTerm(() => this.#runNow(duty)));
    }
    void this.#runAllOnce(term);
  }

  #end(): void {
    this.#term = undefined;
    this.#again.clear();
    for (const undo of this.#undo.splice(0)) undo();
  }

  #schedule(duty: Duty, every: number): void {
    const { scheduler, metrics } = this.parts;
    const timer = setInterval(() => {
      if (this.#running.has(duty)) metrics.runs.inc({ duty: duty.name, outcome: 'skipped' });
      else void this.#run(duty);
    }, every);
    scheduler.addInterval(duty.name, timer);
    this.#undo.push(() => scheduler.deleteInterval(duty.name));
  }

  async #runAllOnce(term: Term): Promise<void> {
    for (const duty of this.parts.duties) {
      if (this.#term !== term) return;
      await this.#run(duty);
    }
  }

  #runNow(duty: Duty): void {
    if (this.#running.has(duty)) this.#again.add(duty);
    else void this.#run(duty);
  }

  #run(duty: Duty): Promise<void> {
    const underway = this.#running.get(duty);
    if (underway !== undefined) return underway;
    const run = this.#runOnce(duty).finally(() => {
      this.#running.delete(duty);
      if (this.#again.delete(duty)) void this.#run(duty);
    });
    this.#running.set(duty, run);
    return run;
  }

  async #runOnce(duty: Duty): Promise<void> {
    const { leadership, metrics, logger } = this.parts;
    // Read anew: after an event loop that stood still, this may be the first to find that the term is over.
    const { term } = leadership;
    if (term === undefined || this.#term === undefined) return;
    const labels = { duty: duty.name };
    const end = metrics.seconds.startTimer(labels);
    try {
      const rows = await duty.run(term);
      metrics.rows.inc(labels, rows);
      metrics.runs.inc({ ...labels, outcome: 'done' });
      if (rows > 0) logger.debug({ ...labels, rows }, 'a duty changed rows');
    } catch (error) {
      if (error instanceof TermOver) {
        metrics.runs.inc({ ...labels, outcome: 'fenced' });
        leadership.stepDown(term, `the fence of the duty ${duty.name} was not met`);
      } else {
        metrics.runs.inc({ ...labels, outcome: 'failed' });
        logger.warn({ err: error, ...labels }, 'a duty failed and will be run again');
        if (duty.every === 'term') this.#tryAgainLater(duty);
      }
    } finally {
      end();
    }
  }

  #tryAgainLater(duty: Duty): void {
    const timer = setTimeout(() => this.#runNow(duty), AGAIN_AFTER);
    this.#undo.push(() => clearTimeout(timer));
  }
}
