/**
 * Jobs by the million, by SQL as the owner: copies of one that a master made, so that each row is whole
 * whatever the schema holds, with the event of its submission. Over HTTP a million take minutes.
 */
import pg from 'pg';

/** What a copy has of its own. */
const OWN_OF_JOB = ['id', 'tenant_id', 'sequence_number', 'lane_id', 'position'];
const OWN_OF_EVENT = ['id', 'tenant_id', 'job_id', 'xid', 'at'];

/** UUIDv7s that rise with `k`, as the ids of jobs submitted one after the other do; $1: milliseconds. */
const ID = `(lpad(to_hex($1::bigint + k / 4096), 12, '0') || '7' || lpad(to_hex(k % 4096), 3, '0')
             || '8' || substr(md5($1::text || k), 1, 15))::uuid`;

const HOT_TABLES = ['jobs', 'leases', 'lanes', 'job_events', 'job_history', 'nodes', 'node_counters'];

export class Stock {
  private patterns = 0;

  private constructor(
    private readonly client: pg.Client,
    /** Events are written beside the jobs: there are two cores. */
    private readonly ofEvents: pg.Client,
  ) {}

  static async open(dsn: string): Promise<Stock> {
    return new Stock(await session(dsn), await session(dsn));
  }

  /** Keeps a job, live or archived, as a pattern: workers may then take it. */
  async keep(table: 'jobs' | 'job_history', id: string): Promise<Pattern> {
    const name = `public.pattern_${(this.patterns += 1)}`;
    await this.client.query(
      `CREATE TABLE ${name} AS SELECT * FROM ffmpeg_master.${table} WHERE id = '${id}'`,
    );
    await this.client.query(
      `CREATE TABLE ${name}_event AS SELECT * FROM ffmpeg_master.job_events WHERE job_id = '${id}' AND n = 1`,
    );
    const { rows } = await this.client.query<{ lane_id: number }>(`SELECT lane_id FROM ${name}`);
    const lane_id = rows[0]?.lane_id;
    if (lane_id === undefined) throw new Error(`${table} has no job ${id}`);
    return { table, name, lane_id };
  }

  /** Lanes like that of the pattern, one each of so many further tenants. */
  async lanesOfTenants({ lane_id }: Pattern, tenants: number): Promise<number[]> {
    const { rows } = await this.client.query<{ id: number }>(
      `INSERT INTO ffmpeg_master.lanes (tenant_id, queue, priority, requirement, requirement_hash)
       SELECT 'tenant-' || k, l.queue, l.priority, l.requirement, l.requirement_hash
       FROM ffmpeg_master.lanes l CROSS JOIN generate_series(1, $2::int) k WHERE l.id = $1
       RETURNING id`,
      [lane_id, tenants],
    );
    return rows.map(({ id }) => id);
  }

  /** Adds so many copies behind all that wait, spread evenly over the lanes. */
  async add(pattern: Pattern, count: number, lanes: readonly number[] = [pattern.lane_id]): Promise<void> {
    const { table, name } = pattern;
    const columns = await this.columns(table, OWN_OF_JOB);
    const ofEvents = await this.columns('job_events', OWN_OF_EVENT);
    const spread = `generate_series(0, $2::int - 1) AS copy(k)
       JOIN (SELECT id, tenant_id, row_number() OVER (ORDER BY id) - 1 AS nth
             FROM ffmpeg_master.lanes WHERE id = ANY($3::int[])) l ON l.nth = k % cardinality($3::int[])`;
    const values = [Date.now(), count, lanes];
    await Promise.all([
      this.client.query(
        `INSERT INTO ffmpeg_master.${table} (id, tenant_id, lane_id, position, ${columns.join(', ')})
         SELECT ${ID}, l.tenant_id, l.id, $1::bigint * 1000 + k, ${columns.map((c) => `p.${c}`).join(', ')}
         FROM ${spread} CROSS JOIN ${name} p`,
        values,
      ),
      this.ofEvents.query(
        `INSERT INTO ffmpeg_master.job_events (job_id, tenant_id, ${ofEvents.join(', ')})
         SELECT ${ID}, l.tenant_id, ${ofEvents.map((c) => `e.${c}`).join(', ')}
         FROM ${spread} CROSS JOIN ${name}_event e`,
        values,
      ),
    ]);
  }

  /** Those of the lanes in which nothing waits. */
  async emptyLanes(lanes: readonly number[]): Promise<number[]> {
    const { rows } = await this.client.query<{ id: number }>(
      `SELECT l.id FROM unnest($1::int[]) AS l(id)
       WHERE NOT EXISTS (SELECT FROM ffmpeg_master.jobs j
                         WHERE j.lane_id = l.id AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL)`,
      [lanes],
    );
    return rows.map(({ id }) => id);
  }

  /** What autovacuum would have done by now, and no writing back of the fill in the middle of a measurement. */
  async settle(): Promise<void> {
    for (const table of HOT_TABLES) await this.client.query(`VACUUM (ANALYZE) ffmpeg_master.${table}`);
  }

  async close(): Promise<void> {
    await Promise.all([this.client.end(), this.ofEvents.end()]);
  }

  private async columns(table: string, own: readonly string[]): Promise<string[]> {
    const { rows } = await this.client.query<{ column_name: string }>(
      `SELECT column_name FROM information_schema.columns
       WHERE table_schema = 'ffmpeg_master' AND table_name = $1 AND column_name <> ALL($2::text[])`,
      [table, own],
    );
    return rows.map((row) => pg.escapeIdentifier(row.column_name));
  }
}

async function session(dsn: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: dsn });
  // Cut off where a suite failed and its server stops: whoever waits for an answer gets the error.
  client.on('error', () => undefined);
  await client.connect();
  // The role's time-outs are for masters.
  await client.query('SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0');
  return client;
}

export interface Pattern {
  readonly table: 'jobs' | 'job_history';
  /** The table that holds it. */
  readonly name: string;
  readonly lane_id: number;
}
