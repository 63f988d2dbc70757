/** What a suite is, and what it tells: figures of all rounds, and ratios of their medians. */
import { RemoteProcess } from './rig/remote-process.js';
import { BenchPostgres } from './rig/postgres.js';
import type { LoadCalls } from './load/main.js';

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

  median(name: string): number {
    const sample = this.samples.get(name);
    if (!sample) throw new Error(`nothing was measured of ${name}`);
    return medianOf(sample.values);
  }

  /** A value of the table with its bound, by its name there without the suite. */
  atLeast(name: string, value: number, bound: number): void {
    this.found.push({ name: `${this.suite}.${name}`, value, bound: `≥ ${bound}`, holds: value >= bound });
  }

  atMost(name: string, value: number, bound: number): void {
    this.found.push({ name: `${this.suite}.${name}`, value, bound: `≤ ${bound}`, holds: value <= bound });
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

  skip(reason: string): void {
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
    const load = new RemoteProcess<LoadCalls>(new URL('./load/main.ts', import.meta.url).pathname);
    this.atEnd(() => load.stop());
    return load;
  }

  atEnd(work: () => Promise<void>): void {
    this.ending.push(work);
  }

  async end(): Promise<void> {
    for (const work of this.ending.reverse()) {
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
