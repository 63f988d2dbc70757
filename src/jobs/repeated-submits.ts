/**
 * A submit whose first try may have been committed, once more: its jobs may wait, run, or have ended meanwhile. Those
 * that still live are left alone by their ids; those that ended must not come back to life.
 *
 * An archiver moves a job in one statement. Whoever looks in the history first and inserts then may do both on either
 * side of that: it finds nothing, and the insert, which waits for the archiver where the two meet, is let in by its
 * commit. So this inserts first and then looks, by a fresh snapshot, before it commits; what it finds takes all of it
 * back, and the rest is inserted without it. On the day of its first try a job that comes back is refused by its own
 * first event, which has the same number, and that is taken for the same.
 */
import { isUniqueViolation } from '../database/sql-errors.js';
import type { History } from './history.js';
import type { CreatedJob, SubmitRepository, SubmitRequest } from './submit.repository.js';

export class RepeatedSubmits {
  constructor(
    private readonly repository: SubmitRepository,
    private readonly history: History,
  ) {}

  /** Answers the jobs that this made; the others exist, live or archived, or their request's key does. */
  async create(requests: readonly SubmitRequest[]): Promise<CreatedJob[]> {
    const archived = new Set<string>();
    // Each round leaves out more; the second is nearly always the last.
    for (;;) {
      const left = requests.map((request) => without(request, archived));
      const before = archived.size;
      try {
        return await this.repository.createUnless(left, async (made, transaction) => {
          const keyless = new Set(keylessIds(left));
          const ids = made.flatMap(({ id }) => (keyless.has(id) ? [id] : []));
          if (ids.length === 0) return;
          for (const row of await this.history.findByIds(ids, transaction)) archived.add(row.id);
          if (archived.size > before) throw new Archived();
        });
      } catch (error) {
        if (isUniqueViolation(error))
          for (const row of await this.history.findByIds(keylessIds(left))) archived.add(row.id);
        if (archived.size === before) throw error;
      }
    }
  }
}

/** Thrown to roll back. */
class Archived extends Error {}

/** Of a request with a key, the key tells that it was served. */
function keylessIds(requests: readonly SubmitRequest[]): string[] {
  return requests.flatMap(({ idempotency, jobs }) => (idempotency ? [] : jobs.map(({ id }) => id)));
}

function without(request: SubmitRequest, archived: ReadonlySet<string>): SubmitRequest {
  if (archived.size === 0) return request;
  return { ...request, jobs: request.jobs.filter(({ id }) => !archived.has(id)) };
}
