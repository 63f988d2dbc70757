/**
 * Migrations that take something away. Masters of two versions share one schema while an upgrade rolls through them, so
 * a migration only adds, unless its head says what it takes away and which version no longer needs that:
 *
 *     -- contracts: the column jobs.engine, unused since 0.3.0
 *
 * It is then applied only while no master of an older version lives. docs/adr/0026-expand-then-contract.md has why;
 * test/repository/migrations-expand.spec.ts refuses one that takes away and does not say so.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';

export interface Contraction {
  /** Name of the migration. */
  readonly migration: string;
  /** In words, as its head has it. */
  readonly what: string;
  /** The first version whose masters do without. */
  readonly unusedSince: string;
}

/** A migration would take away what a living master still uses. */
export class StillUsedError extends Error {
  constructor(contraction: Contraction, master: LiveMaster) {
    const { migration, what, unusedSince } = contraction;
    super(
      `the migration ${migration} takes away ${what}, which the living master ${master.name} of version ${master.version} may still use; ` +
        `stop all masters older than ${unusedSince}, or upgrade them to it first`,
    );
  }
}

/** What the head of a migration says that it takes away; undefined where it only adds. Throws where it says it wrongly. */
export function contractionOf(migration: string, sql: string): Contraction | undefined {
  const lines = headOf(sql).filter((line) => /^--\s*contracts\b/i.test(line));
  if (lines.length === 0) return undefined;
  const [, what, unusedSince] =
    /^-- contracts: (.+), unused since (\d+\.\d+\.\d+)$/.exec(lines[0] ?? '') ?? [];
  if (lines.length > 1 || what === undefined || unusedSince === undefined) {
    throw new Error(
      `the head of the migration ${migration} may have one line \`-- contracts: <what>, unused since <version>\`; it has: ${lines.join(' / ')}`,
    );
  }
  return { migration, what, unusedSince };
}

/**
 * Throws StillUsedError where one of the migrations takes away what a master uses that was seen in the last 30 s.
 * @param pending names of migrations, without their ending
 */
export async function refuseWhatIsStillUsed(
  client: pg.Client,
  directory: string,
  pending: readonly string[],
): Promise<void> {
  const contractions: Contraction[] = [];
  for (const migration of pending) {
    const contraction = contractionOf(migration, await readFile(join(directory, `${migration}.sql`), 'utf8'));
    if (contraction !== undefined) contractions.push(contraction);
  }
  // A database without masters is asked for none: most have nothing to take away, and an empty one has no such table.
  if (contractions.length === 0) return;
  const masters = await liveMasters(client);
  for (const contraction of contractions) {
    const user = masters.find(({ version }) => isOlder(version, contraction.unusedSince));
    if (user !== undefined) throw new StillUsedError(contraction, user);
  }
}

/**
 * Whether one version precedes another, of which the second is `major.minor.patch`. A prerelease precedes its release;
 * what is no version counts as older, since nothing is known of what it uses.
 */
export function isOlder(version: string, than: string): boolean {
  const [, numbers, prerelease] = /^(\d+\.\d+\.\d+)(-[^+]+)?(?:\+.*)?$/.exec(version) ?? [];
  if (numbers === undefined) return true;
  const own = numbers.split('.').map(Number);
  const other = than.split('.').map(Number);
  const differs = own.findIndex((number, k) => number !== other[k]);
  if (differs === -1) return prerelease !== undefined;
  return (own[differs] ?? 0) < (other[differs] ?? 0);
}

interface LiveMaster {
  readonly name: string;
  readonly version: string;
}

/**
 * A master writes that it lives every second or two and takes its rows away when it stops; one that was not heard of for
 * 30 s is dead, or so cut off that it does no harm.
 */
async function liveMasters(client: pg.Client): Promise<LiveMaster[]> {
  const tables = await client.query<{ found: boolean }>(
    `SELECT to_regclass('ffmpeg_master.master_presence') IS NOT NULL AS found`,
  );
  if (tables.rows[0]?.found !== true) return [];
  const { rows } = await client.query<LiveMaster>(
    `SELECT m.name, m.version FROM ffmpeg_master.masters m
     JOIN ffmpeg_master.master_presence p ON p.master_id = m.id
     WHERE p.seen_at > clock_timestamp() - interval '30 seconds'
     ORDER BY m.name, m.started_at`,
  );
  return rows;
}

/** The comments before the first statement. */
function headOf(sql: string): string[] {
  const lines = sql.split('\n').map((line) => line.trim());
  const end = lines.findIndex((line) => line !== '' && !line.startsWith('--'));
  return end === -1 ? lines : lines.slice(0, end);
}
