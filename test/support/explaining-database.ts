/**
 * A database that, before it runs a statement, has the server explain it on the same rows and values, in a
 * transaction that is rolled back. So a spec drives services as always and then looks at the plans.
 */
import pg from 'pg';
import { Database, type Queryable } from '../../src/database/database.js';
import type { Statement } from '../../src/database/statement.js';
import { readsOf, type PlanNode, type TableRead } from './query-plan.js';

export interface Explained {
  readonly name: string;
  readonly reads: readonly TableRead[];
  /** Rows that the statement answers. */
  readonly returned: number;
  readonly plan: PlanNode;
}

export class ExplainingDatabase extends Database {
  readonly explained: Explained[] = [];
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly inner: Database,
    private readonly explainer: PlanSession,
  ) {
    super();
  }

  async query<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    const turn = this.last.then(() => this.explainer.explain(statement, values));
    this.last = turn.catch(() => undefined);
    this.explained.push(await turn);
    return this.inner.query<Row>(statement, values);
  }

  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return this.inner.transaction(work);
  }

  whenConnected(withinMs: number): Promise<void> {
    return this.inner.whenConnected(withinMs);
  }

  named(name: string): Explained[] {
    return this.explained.filter((one) => one.name === name);
  }
}

/** One session that prepares each statement once and keeps its plan, as a connection of a pool does. */
export class PlanSession {
  private readonly prepared = new Map<string, string>();

  private constructor(
    private readonly client: pg.Client,
    private readonly mode: 'custom' | 'generic',
  ) {}

  /** `custom`: planned with its values. `generic`: the plan that a connection makes first and keeps (docs/adr/0014). */
  static async open(dsn: string, mode: 'custom' | 'generic'): Promise<PlanSession> {
    const client = new pg.Client({ connectionString: dsn });
    // Dropping the spec's database ends what is still open.
    client.on('error', () => undefined);
    await client.connect();
    await client.query(`SET plan_cache_mode = force_${mode}_plan`);
    return new PlanSession(client, mode);
  }

  async explain(statement: Statement, values: readonly unknown[]): Promise<Explained> {
    const name = await this.prepare(statement);
    await this.client.query('BEGIN');
    try {
      // The pool sends it unnamed, so it never gets a generic plan.
      if (!statement.prepared) await this.client.query('SET LOCAL plan_cache_mode = force_custom_plan');
      // As PooledDatabase does where a plan is kept.
      if (statement.onePlan && this.mode === 'generic')
        await this.client.query('SET LOCAL enable_seqscan = off; SET LOCAL jit = off');
      const { rows } = await this.client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE ${name}${listOf(values)}`,
      );
      const plan = rows[0]!['QUERY PLAN'][0].Plan;
      const returned = Math.round(plan['Actual Rows'] * plan['Actual Loops']);
      return { name: statement.name, reads: readsOf(plan), returned, plan };
    } finally {
      await this.client.query('ROLLBACK');
    }
  }

  close(): Promise<void> {
    return this.client.end();
  }

  private async prepare({ text }: Statement): Promise<string> {
    const known = this.prepared.get(text);
    if (known !== undefined) return known;
    const name = `explained_${this.prepared.size}`;
    await this.client.query(`PREPARE ${name} AS ${text}`);
    this.prepared.set(text, name);
    return name;
  }
}

function listOf(values: readonly unknown[]): string {
  if (values.length === 0) return '';
  return `(${values.map((value) => (value == null ? 'NULL' : pg.escapeLiteral(asText(value)))).join(', ')})`;
}

/** As `pg` sends it: the server coerces it to the parameter's type. */
function asText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (!Array.isArray(value)) return String(value);
  return `{${value.map((entry) => (entry == null ? 'NULL' : JSON.stringify(asText(entry)))).join(',')}}`;
}
