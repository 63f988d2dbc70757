/**
 * Times that guarantees.md bounds: taken again and again, printed, held against the bound, and written where
 * `node docs/reliability.mjs` reads them (FAULT_FIGURES, a folder).
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { measuring } from '../selection.js';

export interface Bound {
  /** As in the table of guarantees.md. */
  readonly event: string;
  readonly boundMs: number;
  /** What exactly was timed. */
  readonly measured: string;
}

/** Prints the figures, keeps them, and holds the median against the bound. */
export function expectBound(name: string, bound: Bound, samples: readonly number[]): void {
  const { repeats, times } = measuring();
  const sorted = [...samples].sort((a, b) => a - b).map(Math.round);
  const median = Math.round(medianOf(samples));
  const figures = { min: sorted[0] ?? NaN, median, max: sorted.at(-1) ?? NaN };
  console.info(
    `${bound.event}: min ${figures.min}, median ${median}, max ${figures.max} ms of ${samples.length}; bound ${bound.boundMs} ms`,
  );
  keepFigures(name, { ...bound, ...figures, repeats: samples.length, samples: sorted });
  expect(samples.length).toBeGreaterThanOrEqual(repeats);
  expect(median).toBeLessThanOrEqual(times * bound.boundMs);
}

/** Of an even number, between the two in the middle: the lower of them alone is below the median. */
export function medianOf(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const [low = NaN, high = NaN] = [
    sorted[Math.ceil(sorted.length / 2) - 1],
    sorted[Math.floor(sorted.length / 2)],
  ];
  return (low + high) / 2;
}

/** The commit that is measured; with `-dirty` where the tree is another. */
function commit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
  return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '-dirty'}`;
}

/**
 * Writes figures, also those that are no times: what was lost, what chaos did. With the commit that they are of and the seed,
 * as both runs give it, so that docs/reliability.mjs can refuse those that do not belong together.
 */
export function keepFigures(name: string, figures: object): void {
  const folder = process.env.FAULT_FIGURES;
  if (folder === undefined || folder === '') return;
  mkdirSync(folder, { recursive: true });
  const whole = { commit: commit(), seed: Number(process.env.FAULT_SEED), ...figures };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(whole, null, 2)}\n`);
}
