/** Runs the invariants over a database, range by range. */
import type { Queryable } from '../../database/database.js';
import { isLegal, JOB_EVENT_TYPES } from '../../jobs/state-machine.js';
import { JOB_STATUSES } from '../../protocol/job-status.js';
import { INVARIANTS, type JobRange, VerifyRepository, type Violation } from './verify.repository.js';

export interface VerifyOptions {
  /** Seconds to look back; events of whole days (UTC) are read. */
  readonly sinceSeconds: number;
  /** Most violations to tell of each invariant; default 20. */
  readonly limit?: number;
  /** Events a statement reads; default 50,000, which take about a second. */
  readonly eventsAtOnce?: number;
}

export interface Finding {
  readonly id: string;
  readonly promise: string;
  readonly violations: readonly Violation[];
}

/** One finding an invariant, with no violations where it holds. */
export async function verifyDatabase(database: Queryable, options: VerifyOptions): Promise<Finding[]> {
  const repository = new VerifyRepository(database);
  const limit = options.limit ?? 20;
  const days = await repository.days(options.sinceSeconds);
  const found = new Map<string, Violation[]>(INVARIANTS.map(({ id }) => [id, []]));

  let first = true;
  for await (const range of ranges(repository, days, options.eventsAtOnce ?? 50_000)) {
    for (const { id, looks } of INVARIANTS) {
      const violations = found.get(id) ?? [];
      for (const look of looks) {
        if (violations.length >= limit || (!look.ranged && !first)) continue;
        violations.push(
          ...(await repository.violations(look, range, limit - violations.length, LEGAL_STEPS)),
        );
      }
    }
    first = false;
  }
  return INVARIANTS.map(({ id, promise }) => ({ id, promise, violations: found.get(id) ?? [] }));
}

const LOWEST = '00000000-0000-0000-0000-000000000000';
const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

async function* ranges(
  repository: VerifyRepository,
  days: readonly string[],
  events: number,
): AsyncGenerator<JobRange> {
  let above = LOWEST;
  for (;;) {
    const end = await repository.endOfRange(days, above, events);
    yield { days, above, upTo: end ?? HIGHEST };
    if (end === undefined) return;
    above = end;
  }
}

/** As the statement compares them. */
const LEGAL_STEPS: readonly string[] = [null, ...JOB_STATUSES].flatMap((from) =>
  JOB_STATUSES.flatMap((to) =>
    JOB_EVENT_TYPES.filter((event) => isLegal(from, to, event)).map(
      (event) => `${from ?? ''}>${to}:${event}`,
    ),
  ),
);
