/**
 * Holds what was read against what is kept, batch by batch, as soon as a batch is committed or was found to be there. On a
 * session of its own, while the next batch is written: to read the source once more at the end took 40 % of an import.
 */
import { createHash } from 'node:crypto';
import type { Finding } from './findings.js';
import type { ImportRepository } from './import.repository.js';
import type { ImportedJob } from './imported-job.js';

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

export class JobComparison {
  private readonly counts = { compared: 0, missing: 0, differing: 0, moved_on: 0 };
  private read = 0n;
  private kept = 0n;
  private underWay = Promise.resolve();

  constructor(
    private readonly repository: ImportRepository,
    private readonly tell: (finding: Finding) => void,
  ) {}

  /**
   * Begins with a batch once the one before it is done, and throws what that one failed with.
   * @param refused ids of jobs that the database did not take
   * @param days of imports, today among them
   */
  async take(
    batch: readonly ImportedJob[],
    refused: ReadonlySet<string>,
    days: readonly string[],
  ): Promise<void> {
    await this.underWay;
    this.underWay = this.compare(batch, refused, days);
    // Whoever comes next hears of its failure.
    this.underWay.catch(() => undefined);
  }

  /** Of all batches. */
  async outcome(): Promise<Comparison> {
    await this.underWay;
    return { ...this.counts, read_digest: hex(this.read), kept_digest: hex(this.kept) };
  }

  private async compare(
    batch: readonly ImportedJob[],
    refused: ReadonlySet<string>,
    days: readonly string[],
  ): Promise<void> {
    const jobs = refused.size === 0 ? batch : batch.filter(({ id }) => !refused.has(id));
    const found = await this.repository.compare(jobs, logDigests(jobs), days);
    this.counts.compared += found.compared;
    this.counts.missing += found.missing.length;
    this.counts.differing += found.differing.length;
    this.counts.moved_on += found.moved_on;
    this.read ^= BigInt(found.read_digest);
    this.kept ^= BigInt(found.kept_digest);
    for (const id of found.missing)
      this.tell({
        what: 'job',
        id,
        problem: 'is not there: it was read, and is neither live nor in history',
      });
    for (const { id, brought, number } of found.renumbered)
      this.tell({
        what: 'job',
        id,
        column: 'sequence_number',
        problem: `was taken; it got ${number}`,
        value: brought,
      });
    for (const id of found.differing) this.tell({ what: 'job', id, problem: 'differs from what was read' });
  }
}

/** md5 of each job's log as it is kept. */
function logDigests(batch: readonly ImportedJob[]): (string | undefined)[] {
  return batch.map(({ logs }) => {
    if (logs.length === 0) return undefined;
    const digest = createHash('md5');
    for (const { text } of logs) digest.update(text);
    return digest.digest('hex');
  });
}

function hex(digest: bigint): string {
  return BigInt.asUintN(64, digest).toString(16).padStart(16, '0');
}
