/** The jobs of a source in batches, each for one statement. */
import { type ImportedJob, readJob } from './imported-job.js';
import type { Finding } from './findings.js';
import type { ImportSource } from './import-source.js';

/** 5,000 rows without logs are 3 MB of JSON, which took 0.2 s; larger ones were no faster. */
const ROWS_AT_ONCE = 5_000;
/** Characters of logs and parameters: what a process of 300 MB holds as rows, as JSON and as bytes on their way. */
const TEXT_AT_ONCE = 4_000_000;

export interface JobBatchOptions {
  readonly zone: string;
  /** Of a job that names none. */
  readonly maxRetries: number;
  readonly tell: (finding: Finding) => void;
}

/** The same batches each time. */
export async function* jobBatches(
  source: ImportSource,
  { zone, maxRetries, tell }: JobBatchOptions,
): AsyncGenerator<ImportedJob[]> {
  const repeated = new Map((await source.repeatedIds()).map((id) => [id, 0]));
  const timesSeen = (id: string): number => {
    const times = repeated.get(id);
    if (times === undefined) return 0;
    repeated.set(id, times + 1);
    return times;
  };
  let batch: ImportedJob[] = [];
  let text = 0;
  for await (const row of source.rows('jobs')) {
    const job = readJob(row, { zone, maxRetries, timesSeen, tell });
    batch.push(job);
    text += job.parameters.length + job.logs.reduce((sum, chunk) => sum + chunk.text.length, 0);
    if (batch.length < ROWS_AT_ONCE && text < TEXT_AT_ONCE) continue;
    yield batch;
    batch = [];
    text = 0;
  }
  if (batch.length > 0) yield batch;
}
