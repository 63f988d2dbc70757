/** Which days of history can hold a job. Pure. A day is `YYYY-MM-DD` in UTC. */

export const DAY_MS = 86_400_000;

/** Days in one statement, the first one small: a job is nearly always archived within a day or two. */
const FIRST_STEP = 3;
const STEP = 14;

export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/**
 * The days from which a look-up by id walks upwards, in groups for one statement each. A UUIDv7 tells when
 * its master made it; one day is given for a clock that ran ahead. An id of another version tells
 * nothing, so its days run from today backwards.
 */
export function* daysOfId(id: string, oldest: string, now: number): Generator<string[]> {
  const made = timeOfUuidV7(id);
  const days = daysBetween(oldest, dayOf(now));
  if (made === undefined) days.reverse();
  else while (days[0] !== undefined && days[0] < dayOf(made - DAY_MS)) days.shift();
  for (let start = 0; start < days.length; start += start === 0 ? FIRST_STEP : STEP) {
    yield days.slice(start, start + (start === 0 ? FIRST_STEP : STEP));
  }
}

export function daysBetween(first: string, last: string): string[] {
  const days: string[] = [];
  for (let ms = Date.parse(first); ms <= Date.parse(last); ms += DAY_MS) days.push(dayOf(ms));
  return days;
}

/** Milliseconds since 1970, or undefined for an id of another version. */
export function timeOfUuidV7(id: string): number | undefined {
  return id[14] === '7' ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/**
 * The days on which a job's events and logs may lie, of those that history still has: from its creation to its end, or to
 * the day on which it was archived, where that is later, as of a job that was imported.
 */
export function daysOfJob(
  job: { created_at: Date; completed_at: Date | null; archived_on?: string },
  oldest: string,
): string[] {
  const first = dayOf(job.created_at.getTime());
  const ended = dayOf((job.completed_at?.getTime() ?? Date.now()) + DAY_MS);
  const last = job.archived_on !== undefined && job.archived_on > ended ? job.archived_on : ended;
  return daysBetween(first < oldest ? oldest : first, last);
}
