/** The partitions of the days to come: made by each master as it starts, and by the leader's duty from then on. */
import type { Queryable } from './database.js';
import { statement } from './statement.js';

/** Days for which partitions lie ready: so long may all masters be off and still accept reports at once. */
export const DAYS_AHEAD = 7;

// Without a fence: it only adds, and masters that were all off for days need today's partition at once.
const MakePartitions = statement('MakePartitions', 'SELECT ffmpeg_master.make_partitions($1) AS made');

/** Makes what is missing from today to DAYS_AHEAD days ahead; answers how many. */
export async function makePartitions(database: Pick<Queryable, 'query'>): Promise<number> {
  const [row] = await database.query<{ made: number }>(MakePartitions, [DAYS_AHEAD]);
  return row?.made ?? 0;
}
