/** The jobs of a source in batches, each for one statement. */
import { setImmediate as pause } from 'node:timers/promises';
import { type ImportedJob, readJob } from './imported-job.js';
import type { Finding } from './findings.js';
import type { ImportSource } from './import-source.js';

/** Three batches are held at once. With 500 planning the statements took a third more time, 2,500 took 15 MB more. */
const ROWS_AT_ONCE = 1_500;
const ROWS_WITHOUT_A_PAUSE = 50;
/** Characters of logs and parameters: what a process of 300 MB holds as rows, as JSON and as bytes on their way. */
const TEXT_AT_ONCE = 2_000_000;

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
    // A database of SQLite is read without a pause: what the server answered meanwhile would wait for a whole batch.
    if (batch.length % ROWS_WITHOUT_A_PAUSE === 0) await pause();
    if (batch.length < ROWS_AT_ONCE && text < TEXT_AT_ONCE) continue;
    yield batch;
    batch = [];
    text = 0;
  }
  if (batch.length > 0) yield batch;
}

/** The next batch is read while the present one is worked on: half of an import waits for the server. */
export async function* readAhead<T>(batches: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = batches.next();
  try {
    for (;;) {
      const step = await next;
      if (step.done === true) return;
      next = batches.next();
      // Whoever takes the next one hears of its failure.
      next.catch(() => undefined);
      yield step.value;
    }
  } finally {
    await next.catch(() => undefined);
    await batches.return(undefined);
  }
}
