/**
 * Times that guarantees.md bounds: taken again and again, printed, held against the bound, and written where
 * `node docs/reliability.mjs` reads them (FAULT_FIGURES, a folder).
 */
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
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
  const figures = { min: sorted[0] ?? NaN, median, max: sorted.at(-1) ?? NaN };
  console.info(
    `${bound.event}: min ${figures.min}, median ${median}, max ${figures.max} ms of ${samples.length}; bound ${bound.boundMs} ms`,
  );
  keepFigures(name, { ...bound, ...figures, repeats: samples.length, samples: sorted });
  expect(samples.length).toBeGreaterThanOrEqual(repeats);
  expect(median).toBeLessThanOrEqual(times * bound.boundMs);
}

/** Writes figures that are no times, where they are wanted: what was lost, what chaos did. */
export function keepFigures(name: string, figures: object): void {
  const folder = process.env.FAULT_FIGURES;
  if (folder === undefined || folder === '') return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(figures, null, 2)}\n`);
}
