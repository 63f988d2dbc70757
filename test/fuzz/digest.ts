/** All rows of the schema as one digest a table: whatever request may change, it changes one of these. */
import type pg from 'pg';

/**
 * What a master writes while nobody asks anything of it, and what any sign of a node's life may: `seen_at` and its
 * companions. All else stands still under a master that never leads.
 */
const MOVES_BY_ITSELF: Readonly<Record<string, readonly string[] | 'all'>> = {
  master_presence: ['seen_at', 'listener'],
  cluster_presence: ['last_seen_at', 'outage_ended_at'],
  node_presence: ['seen_at', 'cpu_load_percent', 'ram_free_bytes'],
  // Jobs in the last minute: falls again while nothing comes.
  queue_rates: 'all',
};

/** By table: its number of rows, and their digest. */
export type Digest = Readonly<Record<string, string>>;

/** Reads the catalog once; the tables stay the same while no day begins. */
export class Digests {
  private statement: string | undefined;

  constructor(private readonly pool: pg.Pool) {}

  async take(): Promise<Digest> {
    this.statement ??= await this.write();
    const { rows } = await this.pool.query<{ name: string; digest: string }>(this.statement);
    return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]));
  }

  private async write(): Promise<string> {
    const { rows } = await this.pool.query<{ name: string; columns: string[] }>(
      `SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
       WHERE c.relnamespace = 'ffmpeg_master'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       GROUP BY c.relname ORDER BY c.relname`,
    );
    const kept = rows.flatMap(({ name, columns }) => {
      const moving = Object.hasOwn(MOVES_BY_ITSELF, name) ? MOVES_BY_ITSELF[name] : [];
      if (moving === 'all') return [];
      const list = columns.filter((column) => !moving?.includes(column)).map((column) => `"${column}"`);
      return `SELECT '${name}' AS name, count(*) || ' rows ' || coalesce(md5(string_agg(r::text, E'\\n' ORDER BY r::text)), '')
        AS digest FROM (SELECT ${list.join(', ')} FROM ffmpeg_master."${name}") r`;
    });
    if (kept.length < 15) throw new Error(`The schema has ${kept.length} tables, which is less than it had.`);
    return kept.join(' UNION ALL ');
  }
}

/** Which tables differ, and how. */
export function changed(before: Digest, after: Digest): string[] {
  const tables = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...tables].flatMap((table) =>
    before[table] === after[table] ? [] : `${table}: ${before[table]} → ${after[table]}`,
  );
}
