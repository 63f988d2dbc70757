/** Figures of the pool and of statement groups. Names of the pool's are the ones the guide prints. */
import { Gauge, Histogram, type Registry } from 'prom-client';

export interface PoolFigures {
  readonly open: number;
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
}

export class DatabaseMetrics {
  readonly #queries: Histogram<'query'>;
  readonly #waits: Histogram;
  readonly #groups: Histogram<'group'>;
  readonly #queued: Gauge<'group'>;
  readonly #pools = new Set<() => PoolFigures>();
  readonly #queues = new Map<string, () => number>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.#queries = new Histogram({
      name: 'db_query_duration_seconds',
      help: 'Time from sending a statement to its answer, by the name of the statement',
      labelNames: ['query'],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    this.#waits = new Histogram({
      name: 'db_connection_wait_seconds',
      help: 'Time that statements waited for a connection of the pool',
      buckets: [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5],
      registers,
    });
    this.#groups = new Histogram({
      name: 'db_group_size',
      help: 'Requests that shared one statement',
      labelNames: ['group'],
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
      registers,
    });
    const pool = (name: string, help: string, figure: (figures: PoolFigures) => number) => {
      const figures = () => [...this.#pools].reduce((sum, read) => sum + figure(read()), 0);
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(figures());
        },
      });
    };
    pool('db_connections_open', 'Connections of the pool', ({ open }) => open);
    pool('db_connections_in_use', 'Connections of the pool that run a statement', ({ inUse }) => inUse);
    pool('db_connections_idle', 'Connections of the pool that wait for work', ({ idle }) => idle);
    pool('db_connections_waiting', 'Statements that wait for a connection', ({ waiting }) => waiting);
    const queues = this.#queues;
    this.#queued = new Gauge({
      name: 'db_group_queued',
      help: 'Requests that wait for the next statement of their group',
      labelNames: ['group'],
      registers,
      collect() {
        for (const [group, read] of queues) this.set({ group }, read());
      },
    });
  }

  observeQuery(query: string, seconds: number): void {
    this.#queries.observe({ query }, seconds);
  }

  observeWait(seconds: number): void {
    this.#waits.observe(seconds);
  }

  observeGroup(group: string, size: number): void {
    this.#groups.observe({ group }, size);
  }

  /** Answers the function that ends it. */
  watchPool(read: () => PoolFigures): () => void {
    this.#pools.add(read);
    return () => this.#pools.delete(read);
  }

  watchGroup(group: string, queued: () => number): void {
    this.#queues.set(group, queued);
    this.#queued.set({ group }, queued());
  }
}
