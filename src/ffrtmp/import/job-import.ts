/** Brings jobs over, batch by batch. A batch that was cut off was not written, and comes again with the next import. */
import { requirementHash, type LaneRequirement } from '../../jobs/lane-requirement.js';
import { type LanesRepository, MAX_REQUIREMENTS } from '../../jobs/lanes.repository.js';
import type { Finding } from './findings.js';
import { inHalves } from './in-halves.js';
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
  /** As numbers, for a rehearsal of a million keeps them all: 2^52 is the highest. */
  private readonly numbers = new Set<number>();
  /** What jobs ask for already, of a rehearsal. */
  private requirements: Set<string> | undefined;

  constructor(
    private readonly repository: ImportRepository,
    private readonly laneRepository: LanesRepository,
    private readonly dryRun: boolean,
    private readonly tell: (finding: Finding) => void,
  ) {}

  /** @param days of imports, today among them */
  async take(batch: readonly ImportedJob[], days: readonly string[]): Promise<void> {
    this.counts.read += batch.length;
    const present = await this.repository.present(batch, days);
    const missing = batch.filter(({ id }) => !present.ids.has(id));
    this.counts.present += batch.length - missing.length;
    const jobs = missing.map((job) => this.withFreeNumber(job, present.numbers));
    if (this.dryRun) {
      this.counts.imported += jobs.length;
      this.counts.renumbered += jobs.filter(({ sequence_number }) => sequence_number === undefined).length;
      this.requirements ??= new Set(await this.repository.requirements());
      for (const job of jobs) this.rehearseLane(job, this.requirements);
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
    // Of one that was written the comparison tells, which is made at each run.
    if (this.dryRun)
      this.tell({
        what: 'job',
        id: job.id,
        column: 'sequence_number',
        problem: 'is taken; it will get a new one',
        value: number,
      });
    return { ...rest, sequence_number: undefined };
  }

  /** Within what is not written yet: in a dry run all of it, else this batch. */
  private isRepeated(number: string): boolean {
    if (this.numbers.has(Number(number))) return true;
    this.numbers.add(Number(number));
    return false;
  }

  private async insert(jobs: readonly JobWithLane[]): Promise<void> {
    await inHalves(
      jobs,
      async (part) => {
        const renumbered = await this.repository.insertJobs(part);
        this.counts.imported += part.length;
        this.counts.renumbered += renumbered.length;
      },
      (job, error) => this.refuse(job, error),
    );
    this.numbers.clear();
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
    this.tellOfManyKinds(id);
    const any = await this.findLane(queue, priority, {});
    if (any === undefined)
      throw new Error(`there is no lane of the queue ${queue} for jobs that ask for nothing`);
    return any;
  }

  private rehearseLane({ id, requirement }: ImportedJob, known: Set<string>): void {
    const hash = requirementHash(requirement);
    if (Object.keys(requirement).length === 0 || known.has(hash)) return;
    if (known.size < MAX_REQUIREMENTS) known.add(hash);
    else this.tellOfManyKinds(id);
  }

  private tellOfManyKinds(id: string): void {
    const problem =
      'asks for a kind of machine where too many kinds were asked for already; it arrives as one for any machine';
    this.tell({ what: 'job', id, column: 'parameters', problem });
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
