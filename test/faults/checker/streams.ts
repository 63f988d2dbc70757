/**
 * What the readers of the stream of all events heard, against the log. A reader that resumes misses and repeats
 * nothing. One that was told that its place is gone (`reset`) reads the jobs anew: what it missed until then it may
 * miss, and from the place that it was given on it misses nothing again. So its life falls into parts, each begun by a
 * reset; in each it hears of a job n, n + 1, n + 2 …, in all of them no event twice, and in the last one the end.
 */
import { decodeCursor, isAfter } from '../../../src/api/events/event-cursor.js';
import type { Operation, Streamed } from '../rig/history.js';
import { groupBy, violation, type Evidence, type JobEvent, type Violation } from './evidence.js';

interface Part {
  /** Undefined: from before the first event. */
  readonly place: string | undefined;
  readonly heard: Streamed[];
}

/** The stream half of I10. */
export function misheard({ operations, events, quiet }: Evidence): Violation[] {
  const found: Violation[] = [];
  for (const [reader, parts] of partsOf(operations)) {
    for (const { place, heard } of parts) {
      if (place !== undefined && !decodeCursor(place))
        found.push(violation('I10', `${reader} was reset to no place: ${place}`));
      for (const [job, told] of groupBy(heard, ({ job_id }) => job_id))
        if (told.some(({ n }, k) => k > 0 && n !== (told[k - 1]?.n ?? 0) + 1))
          found.push(violation('I10', `${reader} heard of job ${job}: ${numbers(told)}`));
    }
    const all = parts.flatMap(({ heard }) => heard);
    for (const [job, told] of groupBy(all, ({ job_id }) => job_id)) {
      const again = told.find(({ n }, k) => told.slice(0, k).some((earlier) => earlier.n >= n));
      if (again && parts.length > 1)
        found.push(
          violation('I10', `${reader} heard of job ${job} before and after a reset: ${numbers(told)}`),
        );
    }
    if (!quiet) continue;
    for (const [job, missed] of groupBy(unheard(parts, events), ({ job_id }) => job_id))
      found.push(violation('I10', `${reader} never heard of job ${job}: ${numbers(missed)}`));
  }
  return found;
}

/** Events that these readers have yet to hear; none, when all is quiet and has come through. */
export function stillUnheard(
  readers: readonly string[],
  { operations, events }: Pick<Evidence, 'operations' | 'events'>,
): JobEvent[] {
  const parts = partsOf(operations);
  return readers.flatMap((reader) => unheard(parts.get(reader) ?? [], events));
}

export function numbers(all: readonly { readonly n: number }[]): string {
  return all.map(({ n }) => n).join(', ');
}

/** By reader. */
function partsOf(operations: readonly Operation[]): Map<string, Part[]> {
  const readers = new Map<string, Part[]>();
  for (const one of operations) {
    if (one.kind !== 'streamed' && one.kind !== 'reset') continue;
    const parts = readers.get(one.by) ?? [{ place: undefined, heard: [] }];
    if (one.kind === 'streamed') parts.at(-1)?.heard.push(one);
    else parts.push({ place: one.place, heard: [] });
    readers.set(one.by, parts);
  }
  return readers;
}

/** What lies behind the place at which the last part begins, and was not heard in it. */
function unheard(parts: readonly Part[], events: readonly JobEvent[]): JobEvent[] {
  const { place, heard = [] } = parts.at(-1) ?? {};
  const from = decodeCursor(place ?? '');
  const known = new Set(heard.map(({ job_id, n }) => `${job_id} ${n}`));
  return events.filter(({ job_id, n, generation, xid, id }) => {
    if (known.has(`${job_id} ${n}`)) return false;
    if (!from || generation > from.generation) return true;
    return generation === from.generation && isAfter({ xid: BigInt(xid), id }, from);
  });
}
