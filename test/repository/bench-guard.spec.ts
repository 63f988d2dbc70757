/** What the benchmarks fail for in CI: statements a job, counted; never a bound on time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Bench } from '../../bench/src/suite.js';

const BENCH = join(import.meta.dirname, '../../bench');
const bounds = JSON.parse(readFileSync(join(BENCH, 'statements-per-job.json'), 'utf8')) as Record<
  string,
  number
>;

it.each(Object.entries(bounds))('%s may take %d statements a job, and not more', (key, bound) => {
  const [suite = '', name = ''] = key.split('.');
  const grown = (statements: number) => {
    const bench = new Bench(suite, true);
    bench.add(`${name}.statements_per_job`, 'statements', statements);
    bench.guardStatements(name);
    return bench.grown;
  };
  expect(grown(bound)).toEqual([]);
  expect(grown(bound * 1.01)).toEqual([expect.stringContaining(key)]);
  expect(grown(NaN)).toHaveLength(1);
  // Below one statement a request, whatever the load.
  expect(bound).toBeLessThan(1);
});

it('each bound is held by its suite', () => {
  const suites = readdirSync(join(BENCH, 'src/suites'));
  for (const key of Object.keys(bounds)) {
    const [suite = '', name = ''] = key.split('.');
    expect(suites).toContain(`${suite}.ts`);
    const source = readFileSync(join(BENCH, `src/suites/${suite}.ts`), 'utf8');
    expect(source).toContain('guardStatements(');
    expect(source).toContain(`'${name}'`);
  }
});

it('a bound that was missed is told and is no failure', () => {
  const bench = new Bench('latency', true);
  bench.atMost('p99_ms', 16, 15);
  bench.atLeast('more', 1, 2);
  expect(bench.ratios.map(({ name, holds }) => [name, holds])).toEqual([
    ['latency.p99_ms', false],
    ['latency.more', false],
  ]);
  expect(bench.grown).toEqual([]);
});

it('figures are least, median and most of the rounds', () => {
  const bench = new Bench('scale', false);
  for (const value of [3, 1, 2]) bench.add('one', 'ms', value);
  expect(bench.rounds).toBeGreaterThanOrEqual(3);
  expect(bench.figures).toEqual([{ name: 'one', unit: 'ms', min: 1, median: 2, max: 3 }]);
});
