/** What a suite is, and what it tells: figures of all rounds, and ratios of their medians. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Calls, RemoteProcess } from './rig/remote-process.js';
import { BenchPostgres } from './rig/postgres.js';
import type { LoadCalls } from './load/main.js';

/** What statements per job may not exceed, by suite and name. */
const BOUNDS = JSON.parse(
  readFileSync(new URL('../statements-per-job.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, number>>;

export interface Suite {
  readonly name: string;
  readonly about: string;
  run(bench: Bench): Promise<void>;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly bound: string;
  readonly holds: boolean;
}

export class Bench {
  private readonly samples = new Map<string, { unit: string; values: number[] }>();
  private readonly found: Ratio[] = [];
  private readonly ending: (() => Promise<void>)[] = [];
  readonly skipped: string[] = [];
  /** What broke the guard on statements per job, in words. */
  readonly grown: string[] = [];

  constructor(
    readonly suite: string,
    readonly quick: boolean,
  ) {}

  /** Rounds of what is compared, run alternately. */
  get rounds(): number {
    return this.quick ? 1 : 3;
  }

  /** One value of one round. */
  add(name: string, unit: string, value: number): void {
    const known = this.samples.get(name);
    if (known) known.values.push(value);
    else this.samples.set(name, { unit, values: [value] });
  }

  has(name: string): boolean {
    return this.samples.has(name);
  }

  median(name: string): number {
    const sample = this.samples.get(name);
    if (!sample) throw new Error(`nothing was measured of ${name}`);
    return medianOf(sample.values);
  }

  /** A value of the table of bounds in docs/performance.md, by its name there without the suite. */
  atLeast(name: string, value: number, bound: number): void {
    this.found.push({ name: `${this.suite}.${name}`, value, bound: `≥ ${bound}`, holds: value >= bound });
  }

  atMost(name: string, value: number, bound: number): void {
    this.found.push({ name: `${this.suite}.${name}`, value, bound: `≤ ${bound}`, holds: value <= bound });
  }

  /**
   * Fails the run if the figure `NAME.statements_per_job` exceeds its bound: counted, so the same on a slow
   * machine. Groups follow the load, so the bounds leave room for that, and none for one statement a request.
   */
  guardStatements(name: string): void {
    const [figure, key] = [`${name}.statements_per_job`, `${this.suite}.${name}`];
    const bound = BOUNDS[key];
    if (bound === undefined) throw new Error(`statements-per-job.json has no bound of ${key}`);
    const counted = this.median(figure);
    if (!(counted <= bound)) this.grown.push(`${key}: ${counted} statements a job; the bound is ${bound}`);
  }

  get figures(): Figure[] {
    return [...this.samples].map(([name, { unit, values }]) => ({
      name,
      unit,
      min: Math.min(...values),
      median: medianOf(values),
      max: Math.max(...values),
    }));
  }

  get ratios(): readonly Ratio[] {
    return this.found;
  }

  /** Leaves something out for want of a program. CI installs all of them, so there it is a failure. */
  skip(reason: string): void {
    if (process.env.CI === 'true') throw new Error(reason);
    this.skipped.push(reason);
    this.log(`SKIPPED: ${reason}`);
  }

  log(message: string): void {
    console.log(`  ${message}`);
  }

  /** A PostgreSQL that ends with the suite. */
  async postgres(): Promise<BenchPostgres> {
    const postgres = await BenchPostgres.start();
    this.atEnd(() => postgres.stop());
    return postgres;
  }

  /** A load process that ends with the suite. */
  load(): RemoteProcess<LoadCalls> {
    return this.remote<LoadCalls>('load/main.ts');
  }

  /** A process of this module below src/ that ends with the suite. */
  remote<Of extends Calls>(module: string): RemoteProcess<Of> {
    const remote = new RemoteProcess<Of>(fileURLToPath(new URL(module, import.meta.url)));
    this.atEnd(() => remote.stop());
    return remote;
  }

  atEnd(work: () => Promise<void>): void {
    this.ending.push(work);
  }

  async end(): Promise<void> {
    for (const work of this.ending.splice(0).reverse()) {
      await work().catch((error: unknown) => console.error(error));
    }
  }
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}
