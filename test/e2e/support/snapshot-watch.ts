/**
 * Watches who holds a snapshot while a test runs: what pins `backend_xmin` keeps vacuum from the whole database.
 * Sessions of a VACUUM are left out, as the promise does.
 */
import type pg from 'pg';

const EVERY = 250;

const SAMPLE = `
  SELECT application_name AS session, state, wait_event_type AS waits, backend_xmin IS NOT NULL AS holds,
         coalesce(extract(epoch FROM clock_timestamp() - xact_start) * 1000, 0)::float8 AS age, left(query, 200) AS query
  FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE 'ffmpeg-master%'
    AND application_name <> 'ffmpeg-master vacuum'`;

export interface WatchedSession {
  readonly session: string;
  readonly state: string;
  readonly waits: string | null;
  /** Whether it holds a snapshot. */
  readonly holds: boolean;
  /** Milliseconds since its transaction began; 0 without one. */
  readonly age: number;
  readonly query: string;
}

export class SnapshotWatch {
  /** One list of sessions each 250 ms. */
  readonly samples: WatchedSession[][] = [];
  private over = false;
  private readonly watching: Promise<void>;

  constructor(private readonly pool: pg.Pool) {
    this.watching = this.watch();
  }

  /** Throws what kept it from looking. */
  async stop(): Promise<void> {
    this.over = true;
    await this.watching;
  }

  /** Everyone seen with a snapshot, the oldest first. */
  get holders(): WatchedSession[] {
    return this.samples
      .flat()
      .filter(({ holds }) => holds)
      .sort((a, b) => b.age - a.age);
  }

  /** The sessions that hold, or try to get, the leader's lock. */
  get lockSessions(): WatchedSession[] {
    return this.samples.flat().filter(({ session }) => session === 'ffmpeg-master lock');
  }

  private async watch(): Promise<void> {
    while (!this.over) {
      const began = performance.now();
      this.samples.push((await this.pool.query<WatchedSession>(SAMPLE)).rows);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + EVERY - performance.now())));
    }
  }
}
