import { Counter, Gauge, type Registry } from 'prom-client';
import type { Term } from './leadership.js';

export class LeadershipMetrics {
  private readonly changes: Counter;
  #read: () => Term | undefined = () => undefined;
  #startedAt = 0;

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = (name: string, help: string, figure: (term: Term | undefined) => number) => {
      const read = () => figure(this.#read());
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    };
    gauge('ffrtmp_leader', '1 while this master leads, else 0.', (term) => (term ? 1 : 0));
    gauge(
      'ffrtmp_leader_epoch',
      'The epoch of the term that this master leads; 0 where it does not.',
      (term) => (term ? term.epoch : 0),
    );
    gauge(
      'ffrtmp_leader_term_seconds',
      'How long this master has led without a break; 0 where it does not.',
      (term) => (term ? this.#secondsInOffice() : 0),
    );
    this.changes = new Counter({
      name: 'ffrtmp_leader_changes_total',
      help: 'Terms that this master began; summed over masters, the changes of leader.',
      registers,
    });
  }

  /** @param read the present term of this master */
  watch(read: () => Term | undefined): void {
    this.#read = read;
  }

  termStarted(): void {
    this.changes.inc();
    this.#startedAt = performance.now();
  }

  /** By the monotonic clock of this process; `since` is the database's time. */
  #secondsInOffice(): number {
    return (performance.now() - this.#startedAt) / 1_000;
  }
}
