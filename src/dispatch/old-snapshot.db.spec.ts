/** What the low-water mark is for: a session that holds a snapshot keeps all that was consumed since in the claim's index. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { ExplainingDatabase, PlanSession, type Explained } from '../../test/support/explaining-database.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import type { PlanNode } from '../../test/support/query-plan.js';
import type { Statement } from '../database/statement.js';

const db = useDatabase();

const CLAIMS = 30;
const JOBS = 30;

/** Remembers what claims were sent with, and what each read. */
class Watched extends ExplainingDatabase {
  readonly claims: { statement: Statement; values: readonly unknown[]; explained: Explained }[] = [];

  override async query<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    const rows = await super.query<Row>(statement, values);
    const explained = this.named(statement.name).at(-1)!;
    if (explained.returned === JOBS) this.claims.push({ statement, values, explained });
    return rows;
  }
}

let session: PlanSession;
beforeAll(async () => {
  session = await PlanSession.open(db.dsn, 'generic');
});
afterAll(() => session.close());

it('a claim reads no more pages after 900 jobs were consumed under an old snapshot', async () => {
  const database = new Watched(db.database, session);
  const master = await new DispatchMaster(database, new LocalSignals()).start();
  const holder = await db.pool.connect();
  try {
    const node = await master.node({ slots: JOBS * (CLAIMS + 1) });
    const jobs = Array.from({ length: JOBS * (CLAIMS + 1) }, () => ({ scenario: 'test' }));
    await master.submits.submit(PRINCIPAL, jobs, { route: 'POST /jobs/batch' });
    await holder.query('SET idle_in_transaction_session_timeout = 0');
    await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await holder.query('SELECT FROM ffmpeg_master.jobs LIMIT 1');
    for (let k = 0; k < CLAIMS; k += 1) {
      expect(await master.claim(node, { max_jobs: JOBS })).toHaveLength(JOBS);
    }

    expect(database.claims).toHaveLength(CLAIMS);
    // The first one has no mark and also reads the server's catalog.
    const marked = database.claims.slice(1).filter(({ values }) => (values[1] as number[])[0]! > 0);
    const [first, ...later] = marked.map(({ explained }) => pagesInLane(explained.plan));
    expect(later).toHaveLength(CLAIMS - 2);
    const most = Math.max(...later);
    expect(most).toBeLessThanOrEqual(2 * first! + 2);

    // The same claim without a mark walks past all of them: 900 rows are some 40 pages.
    const { statement, values } = database.claims.at(-1)!;
    const unmarked = values.with(1, [0]).with(4, [randomUUID()]);
    const { plan } = await session.explain(statement, unmarked);
    expect(pagesInLane(plan)).toBeGreaterThan(3 * most);
  } finally {
    await holder.query('ROLLBACK');
    await holder.query('RESET ALL');
    holder.release();
    master.stop();
  }
});

/** Pages that the scan of the lane read. */
function pagesInLane(plan: PlanNode): number {
  const own =
    plan['Index Name'] === 'idx_jobs_queue_priority'
      ? plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
      : 0;
  return (plan.Plans ?? []).reduce((sum, child) => sum + pagesInLane(child), own);
}
