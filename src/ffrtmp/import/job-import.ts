/** Brings jobs over, batch by batch. A batch that was cut off was not written, and comes again with the next import. */
import { createHash } from 'node:crypto';
import { codeOf } from '../../database/sql-errors.js';
import { requirementHash, type LaneRequirement } from '../../jobs/lane-requirement.js';
import type { LanesRepository } from '../../jobs/lanes.repository.js';
import type { Finding } from './findings.js';
import type { ImportRepository, JobWithLane } from './import.repository.js';
import type { ImportedJob } from './imported-job.js';

export interface JobCounts {
  read: number;
  /** Written; with a dry run what would be. */
  imported: number;
  /** Of an earlier import. */
  present: number;
  /** Of the imported those that got, or would get, another number than they had. */
  renumbered: number;
  /** Refused by the database; each of them is a finding. */
  refused: number;
}

export class JobImport {
  readonly counts: JobCounts = { read: 0, imported: 0, present: 0, renumbered: 0, refused: 0 };
  readonly refused = new Set<string>();
  private readonly lanes = new Map<string, number>();
  private readonly numbers = new Set<string>();

  constructor(
    private readonly repository: ImportRepository,
    private readonly laneRepository: LanesRepository,
    private readonly days: readonly string[],
    private readonly dryRun: boolean,
    private readonly tell: (finding: Finding) => void,
  ) {}

  async take(batch: readonly ImportedJob[]): Promise<void> {
    this.counts.read += batch.length;
    const present = await this.repository.present(batch, this.days);
    const missing = batch.filter(({ id }) => !present.ids.has(id));
    this.counts.present += batch.length - missing.length;
    const jobs = missing.map((job) => this.withFreeNumber(job, present.numbers));
    if (this.dryRun) {
      this.counts.imported += jobs.length;
      this.counts.renumbered += jobs.filter(({ sequence_number }) => sequence_number === undefined).length;
      return;
    }
    const placed: JobWithLane[] = [];
    for (const job of jobs) placed.push({ ...job, lane_id: await this.laneOf(job) });
    if (placed.length > 0) await this.insert(placed);
  }

  private withFreeNumber(job: ImportedJob, taken: ReadonlySet<string>): ImportedJob {
    const { sequence_number: number, ...rest } = job;
    if (number === undefined) return job;
    if (!taken.has(number) && !this.isRepeated(number)) return job;
    const problem = this.dryRun ? 'is taken; it will get a new one' : 'was taken; it got a new one';
    this.tell({ what: 'job', id: job.id, column: 'sequence_number', problem, value: number });
    return { ...rest, sequence_number: undefined };
  }

  /** Within what is not written yet: in a dry run all of it, else this batch. */
  private isRepeated(number: string): boolean {
    if (this.numbers.has(number)) return true;
    this.numbers.add(number);
    return false;
  }

  private async insert(jobs: readonly JobWithLane[]): Promise<void> {
    try {
      const renumbered = await this.repository.insertJobs(jobs);
      this.counts.imported += jobs.length;
      this.counts.renumbered += renumbered.length;
      this.numbers.clear();
    } catch (error) {
      // What it says of a value is said of one row. It is looked for by halves.
      if (!isAboutValues(error)) throw error;
      const [job] = jobs;
      if (job !== undefined && jobs.length === 1) return this.refuse(job, error as Error);
      const half = Math.ceil(jobs.length / 2);
      await this.insert(jobs.slice(0, half));
      await this.insert(jobs.slice(half));
    }
  }

  private refuse(job: ImportedJob, error: Error): void {
    this.counts.refused += 1;
    this.refused.add(job.id);
    this.tell({
      what: 'job',
      id: job.id,
      problem: `was not imported: PostgreSQL refused it: ${error.message}`,
    });
  }

  private async laneOf({ id, queue, priority, requirement }: ImportedJob): Promise<number> {
    const lane = await this.findLane(queue, priority, requirement);
    if (lane !== undefined) return lane;
    this.tell({
      what: 'job',
      id,
      column: 'parameters',
      problem:
        'asks for a kind of machine where too many kinds were asked for already; it arrives as one for any machine',
    });
    const any = await this.findLane(queue, priority, {});
    if (any === undefined)
      throw new Error(`there is no lane of the queue ${queue} for jobs that ask for nothing`);
    return any;
  }

  private async findLane(
    queue: string,
    priority: ImportedJob['priority'],
    requirement: LaneRequirement,
  ): Promise<number | undefined> {
    const name = `${queue}\n${priority}\n${JSON.stringify(requirement)}`;
    const known = this.lanes.get(name);
    if (known !== undefined) return known;
    const requirement_hash = requirementHash(requirement);
    const lane = await this.laneRepository.findOrCreate({
      tenant_id: 'default',
      queue,
      priority,
      requirement,
      requirement_hash,
    });
    if (lane !== undefined) this.lanes.set(name, lane.id);
    return lane?.id;
  }
}

/** Data exceptions, integrity, and limits of the server. */
function isAboutValues(error: unknown): boolean {
  return /^(22|23|54)/.test(codeOf(error) ?? '');
}

/** md5 of each job's log as it is kept. */
export function logDigests(batch: readonly ImportedJob[]): (string | undefined)[] {
  return batch.map(({ logs }) => {
    if (logs.length === 0) return undefined;
    const digest = createHash('md5');
    for (const { text } of logs) digest.update(text);
    return digest.digest('hex');
  });
}
