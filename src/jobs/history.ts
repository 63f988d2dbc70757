import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/database.js';
import { HistoryRepository, type ArchivedRow, type HistoryDay } from './history.repository.js';
import { DAY_MS, daysOfId } from './job-days.js';
import type { JobReference } from './job-reference.js';

/** A list of days may be this old, in milliseconds: it changes at midnight and when a day is closed. */
const DAYS_FRESH_FOR = 10_000;

/** Days of history in one statement of a look-up by number: open days and overlaps are few. */
const DAYS_AT_ONCE = 14;

/** Finds archived jobs without touching all partitions. */
@Injectable()
export class History {
  private known: { readonly days: Promise<HistoryDay[]>; readonly at: number } | undefined;

  constructor(private readonly repository: HistoryRepository) {}

  async find(reference: JobReference, tenant_id: string): Promise<ArchivedRow | undefined> {
    if ('id' in reference) {
      const [row] = await this.findByIds([reference.id]);
      return row?.tenant_id === tenant_id ? row : undefined;
    }
    return this.findByNumber(reference.sequence_number, tenant_id);
  }

  /**
   * The archived among `ids`, whoever's they are: the caller checks the tenant.
   * @param transaction reads on its connection; by default on any of the pool
   */
  async findByIds(ids: readonly string[], transaction?: Queryable): Promise<ArchivedRow[]> {
    const [oldest] = await this.days(transaction);
    if (!oldest) return [];
    const found: ArchivedRow[] = [];
    // A day is added for a master whose clock is behind the database's at midnight.
    const walks = ids.map((id) => ({ id, days: daysOfId(id, oldest.day, Date.now() + DAY_MS) }));
    // All ids take one step a statement: a batch was made, and so archived, at about one time.
    for (let walking = walks; walking.length > 0;) {
      const steps = walking.map((walk) => ({ ...walk, step: walk.days.next() }));
      const going = steps.filter(({ step }) => !step.done);
      const days = [...new Set(going.flatMap(({ step }) => step.value as string[]))];
      if (days.length === 0) break;
      const rows = await this.repository.findOn(
        days,
        going.map(({ id }) => id),
        transaction,
      );
      found.push(...rows);
      const done = new Set(rows.map((row) => row.id));
      walking = going.filter(({ id }) => !done.has(id));
    }
    return found;
  }

  /** The days that history holds, oldest first. */
  days(transaction?: Queryable): Promise<HistoryDay[]> {
    const now = Date.now();
    if (!this.known || now - this.known.at > DAYS_FRESH_FOR) {
      const days = this.repository.days(transaction);
      this.known = { days, at: now };
      days.catch(() => (this.known = undefined));
    }
    return this.known.days;
  }

  private async findByNumber(number: number, tenant_id: string): Promise<ArchivedRow | undefined> {
    const days = (await this.days())
      .filter(({ lowest, highest }) => lowest === null || (lowest <= number && number <= (highest ?? number)))
      .map(({ day }) => day)
      .reverse();
    for (let start = 0; start < days.length; start += DAYS_AT_ONCE) {
      const row = await this.repository.findNumberOn(
        days.slice(start, start + DAYS_AT_ONCE),
        number,
        tenant_id,
      );
      if (row) return row;
    }
    return undefined;
  }
}
