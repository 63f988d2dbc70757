import Table from 'cli-table3';
import type { Bench } from './suite.js';

const STYLE = { head: [], border: [], compact: true };

/** Figures and ratios of one suite, as tables for a person. */
export function printResults(bench: Bench): void {
  const figures = new Table({ head: ['figure', 'unit', 'min', 'median', 'max'], style: STYLE });
  for (const { name, unit, min, median, max } of bench.figures) {
    figures.push([name, unit, readable(min), readable(median), readable(max)]);
  }
  console.log(figures.toString());
  if (bench.ratios.length === 0) return;
  const ratios = new Table({ head: ['ratio', 'value', 'bound', ''], style: STYLE });
  for (const { name, value, bound, holds } of bench.ratios) {
    ratios.push([name, readable(value), bound, holds ? 'holds' : 'MISSED']);
  }
  console.log(ratios.toString());
}

function readable(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
