import type { Gauge } from 'prom-client';
import type { DedicatedSession } from '../database/dedicated-session.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Duty } from './duty.js';
import type { HotTable, VacuumHotTablesRepository } from './vacuum-hot-tables.repository.js';

/** Milliseconds. */
const LOOK_EVERY = 5_000;

/**
 * A table with fewer dead rows is left alone: an idle cluster vacuums nothing. Under load a claim reads
 * through the dead rows of all it has consumed (16 ms after 200,000 jobs instead of 0.6), and autovacuum
 * comes at most once a minute.
 */
const DEAD_ROWS = 1_000;

/**
 * Vacuums the tables that every claim and report changes. Unfenced: it is harmless twice. A table is left alone
 * while the horizon stands where it stood when it was last vacuumed: under a transaction that is open for minutes
 * each vacuum would read the whole table again and remove nothing.
 */
export class VacuumHotTables implements Duty {
  readonly name = 'vacuum-hot-tables';
  readonly every = LOOK_EVERY;
  readonly #dead: Gauge<'table'>;
  readonly #vacuumedAt = new Map<HotTable, number>();
  #session: DedicatedSession | undefined;

  constructor(
    private readonly repository: VacuumHotTablesRepository,
    /** Straight to the server, as a member of the role that owns the tables. */
    private readonly openSession: () => Promise<DedicatedSession>,
    metrics: Metrics,
  ) {
    this.#dead = metrics.gauge({
      name: 'ffrtmp_table_dead_rows',
      help: 'Dead rows of the tables that change most; only the leader has them.',
      labelNames: ['table'],
    });
  }

  onTerm(): () => void {
    return () => {
      this.#dead.reset();
      void this.#session?.end().catch(() => undefined);
    };
  }

  /** Answers how many dead rows the vacuumed tables had. */
  async run(): Promise<number> {
    const tables = await this.repository.deadRows();
    for (const { table, dead } of tables) this.#dead.set({ table }, dead);
    const dirty = tables.filter(
      ({ table, dead, horizon }) => dead >= DEAD_ROWS && horizon !== this.#vacuumedAt.get(table),
    );
    if (dirty.length === 0) return 0;
    const session = await this.openSession();
    this.#session = session;
    try {
      for (const { table, horizon } of dirty) {
        await this.repository.vacuum(session, table);
        this.#vacuumedAt.set(table, horizon);
      }
    } finally {
      this.#session = undefined;
      await session.end();
    }
    return dirty.reduce((sum, { dead }) => sum + dead, 0);
  }
}
