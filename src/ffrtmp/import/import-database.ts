/**
 * An import from first to last: nodes, then jobs, then a comparison of what was read with what is kept, for which the
 * source is read once more. It may be cut off and run again, and as often as one likes: what is there is passed over.
 */
import type { Queryable } from '../../database/database.js';
import { makePartitions } from '../../database/partitions.repository.js';
import { codeOf } from '../../database/sql-errors.js';
import { LanesRepository } from '../../jobs/lanes.repository.js';
import type { Finding } from './findings.js';
import { ImportRepository } from './import.repository.js';
import { HIGHEST_NUMBER } from './imported-job.js';
import { type ImportSource, ImportSourceError, type SourceRow } from './import-source.js';
import { jobBatches, readAhead } from './job-batches.js';
import { type JobCounts, JobImport, logDigests } from './job-import.js';
import { importNodes, type NodeCounts } from './node-import.js';

export interface ImportOptions {
  /** IANA name of the zone of times that name none. */
  readonly zone: string;
  /** `retry.max_retries`, for jobs that name none. */
  readonly maxRetries: number;
  /** Reads everything, writes nothing. */
  readonly dryRun: boolean;
  readonly tell: (finding: Finding) => void;
  readonly onProgress: (phase: 'import' | 'compare', jobs: number, of: number) => void;
}

export interface RowCounts {
  readonly read: number;
  readonly imported: number;
  readonly present: number;
}

export interface Comparison {
  readonly compared: number;
  readonly missing: number;
  readonly differing: number;
  /** Went on since they arrived: only what no job changes was compared. */
  readonly moved_on: number;
  /** Of all rows together, 16 hexadecimal digits. */
  readonly read_digest: string;
  readonly kept_digest: string;
}

export interface ImportOutcome {
  readonly nodes: NodeCounts;
  readonly jobs: JobCounts;
  readonly tenants: RowCounts;
  /** Absent with a dry run. */
  readonly comparison?: Comparison;
}

/** @param database one session: the lock that keeps a second import out is its own */
export async function importDatabase(
  source: ImportSource,
  database: Queryable,
  options: ImportOptions,
): Promise<ImportOutcome> {
  const repository = new ImportRepository(database);
  if (!(await repository.lock()))
    throw new ImportSourceError('another import into this database runs; wait for it, or stop it first');
  for (const { table, rows } of await source.otherTables())
    if (rows > 0)
      options.tell({
        what: 'table',
        id: table,
        problem: `is not imported; it has ${rows} rows, and nothing of ffmpeg-rtmp reads it`,
      });

  const id = options.dryRun ? 0 : await beginImport(source, database, repository);
  const nodes = await importNodes(source, repository, options);
  const tenants = await importTenants(source, repository, options);
  const days = await repository.days();
  const jobs = new JobImport(repository, new LanesRepository(database), days, options.dryRun, options.tell);
  const total = await source.count('jobs');
  options.onProgress('import', 0, total);
  for await (const batch of readAhead(jobBatches(source, options))) {
    await jobs.take(batch);
    options.onProgress('import', jobs.counts.read, total);
  }
  if (options.dryRun) return { nodes, tenants, jobs: jobs.counts };
  const comparison = await compare(source, repository, jobs.refused, await repository.days(), options);
  const outcome = { nodes, tenants, jobs: jobs.counts, comparison };
  await repository.end(id, outcome);
  return outcome;
}

async function beginImport(
  source: ImportSource,
  database: Queryable,
  repository: ImportRepository,
): Promise<number> {
  await makePartitions(database);
  const highest = await source.highestNumber(HIGHEST_NUMBER);
  if (highest !== undefined) await raised(() => repository.raiseNumbers(highest));
  return repository.begin(source.name);
}

const RAISING_TRIES = 20;

async function raised(raise: () => Promise<void>): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await raise();
    } catch (error) {
      if (codeOf(error) !== '55P03') throw error;
      if (tried === RAISING_TRIES)
        throw new ImportSourceError(
          'jobs were written to all the time; try again when the masters have less to do',
        );
    }
  }
}

async function importTenants(
  source: ImportSource,
  repository: ImportRepository,
  { dryRun, tell }: ImportOptions,
): Promise<RowCounts> {
  const counts = { read: 0, imported: 0, present: 0 };
  for await (const row of source.rows('tenants')) {
    counts.read += 1;
    const id = String(row['id'] ?? '').replaceAll('\0', '\ufffd');
    const isNew = dryRun
      ? !(await repository.hasTenant(id))
      : await repository.keepTenant(id, JSON.stringify(plain(row)));
    if (isNew) counts.imported += 1;
    else counts.present += 1;
    if (id !== 'default')
      tell({
        what: 'tenant',
        id,
        problem: 'is kept as it was, and its jobs name it; they arrive as jobs of the tenant default',
      });
  }
  return counts;
}

/** As text, since that is how it is kept. */
function plain(row: SourceRow): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(row).map(([name, cell]) => [
      name,
      cell === null
        ? null
        : (cell instanceof Uint8Array ? new TextDecoder().decode(cell) : String(cell)).replaceAll(
            '\0',
            '\ufffd',
          ),
    ]),
  );
}

async function compare(
  source: ImportSource,
  repository: ImportRepository,
  refused: ReadonlySet<string>,
  days: readonly string[],
  { zone, maxRetries, tell, onProgress }: ImportOptions,
): Promise<Comparison> {
  const counts = { compared: 0, missing: 0, differing: 0, moved_on: 0 };
  let [read_digest, kept_digest, read] = [0n, 0n, 0];
  const total = await source.count('jobs');
  // What was found has been told.
  for await (const batch of readAhead(jobBatches(source, { zone, maxRetries, tell: () => undefined }))) {
    const jobs = batch.filter(({ id }) => !refused.has(id));
    const found = await repository.compare(jobs, logDigests(jobs), days);
    counts.compared += found.compared;
    counts.missing += found.missing.length;
    counts.differing += found.differing.length;
    counts.moved_on += found.moved_on;
    read_digest ^= BigInt(found.read_digest);
    kept_digest ^= BigInt(found.kept_digest);
    for (const id of found.missing)
      tell({ what: 'job', id, problem: 'is not there: it was read, and is neither live nor in history' });
    for (const { id, brought, number } of found.renumbered)
      tell({
        what: 'job',
        id,
        column: 'sequence_number',
        problem: `was taken; it got ${number}`,
        value: brought,
      });
    for (const id of found.differing) tell({ what: 'job', id, problem: 'differs from what was read' });
    read += batch.length;
    onProgress('compare', read, total);
  }
  return { ...counts, read_digest: hex(read_digest), kept_digest: hex(kept_digest) };
}

function hex(digest: bigint): string {
  return BigInt.asUintN(64, digest).toString(16).padStart(16, '0');
}
