import type { Queryable } from './database.js';
import { statement } from './statement.js';

// Every master writes it once a second, so it moves on wherever writes arrive.
const ReadLastSign = statement(
  'ReadLastSign',
  `SELECT (extract(epoch FROM p.last_seen_at) * 1000)::float8 AS at FROM ffmpeg_master.cluster_presence p`,
);

/**
 * When a server's data last said that a master lives, in milliseconds by the primary's clock. The difference
 * between two servers is how far one is behind the other, to about a second, whatever replicates them: no clock
 * of this machine or of the replica is in it, and while nobody writes both stand still.
 */
export async function readLastSign(database: Queryable): Promise<number> {
  const [row] = await database.query<{ at: number }>(ReadLastSign);
  if (row === undefined) throw new Error('cluster_presence has no row');
  return row.at;
}
