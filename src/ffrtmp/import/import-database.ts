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
import { type Comparison, JobComparison } from './job-comparison.js';
import { type JobCounts, JobImport } from './job-import.js';
import { importNodes, type NodeCounts } from './node-import.js';

export interface ImportOptions {
  /** IANA name of the zone of times that name none. */
  readonly zone: string;
  /** `retry.max_retries`, for jobs that name none. */
  readonly maxRetries: number;
  /** Reads everything, writes nothing. */
  readonly dryRun: boolean;
  readonly tell: (finding: Finding) => void;
  readonly onProgress: (jobs: number, of: number) => void;
}

export interface RowCounts {
  readonly read: number;
  readonly imported: number;
  readonly present: number;
}

export interface ImportOutcome {
  readonly nodes: NodeCounts;
  readonly jobs: JobCounts;
  readonly tenants: RowCounts;
  /** Absent with a dry run. */
  readonly comparison?: Comparison;
}

/**
 * @param database one session: the lock that keeps a second import out is its own
 * @param comparing another one, which is only read from
 */
export async function importDatabase(
  source: ImportSource,
  database: Queryable,
  comparing: Queryable,
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
  const jobs = new JobImport(repository, new LanesRepository(database), options.dryRun, options.tell);
  const comparison = new JobComparison(new ImportRepository(comparing), options.tell);
  const total = await source.count('jobs');
  options.onProgress(0, total);
  for await (const batch of readAhead(jobBatches(source, options))) {
    // Of now: an import may outlast a midnight.
    const days = await repository.days();
    await jobs.take(batch, days);
    if (!options.dryRun) await comparison.take(batch, jobs.refused, days);
    options.onProgress(jobs.counts.read, total);
  }
  if (options.dryRun) return { nodes, tenants, jobs: jobs.counts };
  const outcome = { nodes, tenants, jobs: jobs.counts, comparison: await comparison.outcome() };
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
