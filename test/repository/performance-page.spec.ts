/** Runs docs/performance.mjs on figures that nobody measured, into a folder of its own, and looks at what it makes. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'performance-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const figure = (name: string, unit: string, median: number) => ({
  name,
  unit,
  min: median * 0.9,
  median,
  max: median * 1.1,
});
const rates = (name: string, rate: number, process: string) => [
  figure(`${name}.jobs_per_second`, 'jobs/s', rate),
  figure(`${name}.${process}_us_per_job`, 'µs', 80),
  figure(`${name}.database_us_per_job`, 'µs', 40),
];

const MADE_UP = [
  {
    suite: 'throughput',
    conditions: { quick: true, cores: 64, cpu: 'an abacus', memory_gib: 1, node: '20.19.0' },
    figures: [...rates('single', 9000, 'master'), ...rates('graphile_default', 2000, 'worker')],
    ratios: [
      { name: 'throughput.single_vs_graphile_default', value: 4.5 },
      { name: 'throughput.master_us_per_job', value: 112 },
      { name: 'throughput.batch10_vs_graphile_localqueue', value: 0.9 },
    ],
  },
  {
    suite: 'bloat',
    figures: [
      ...Array.from({ length: 10 }, (_, k) => figure(`churn.tenth_${k + 1}`, 'jobs/s', 9000 - 100 * k)),
      ...Array.from({ length: 12 }, (_, k) =>
        figure(`held.after_${10 * (k + 1)}_s`, 'jobs/s', 8000 - 100 * k),
      ),
      figure('held.before', 'jobs/s', 8100),
    ],
    ratios: [],
  },
];

let page: string;

beforeAll(() => {
  writeFileSync(join(folder, 'made-up.json'), JSON.stringify(MADE_UP));
  const script = join(ROOT, 'docs/performance.mjs');
  execFileSync(process.execPath, [script, join(folder, 'made-up.json'), '--into', folder]);
  page = readFileSync(join(folder, 'performance.md'), 'utf8');
});

describe('the page of figures', () => {
  it('marks what misses its bound, what misses its goal, and what was not run', () => {
    expect(boundOf('throughput.single_vs_graphile_default')).toMatch(/\| ≥ 4 \| 4\.5 \|/);
    expect(boundOf('throughput.master_us_per_job')).toMatch(/\| ≤ 100 \| 112 .*\*\*missed\*\*/);
    expect(boundOf('throughput.batch10_vs_graphile_localqueue')).toContain('0.9, short of the goal');
    expect(boundOf('fleet.cores')).toContain('not run');
    expect(page).toContain(
      'Of 25 bounds 2 hold, 1 are missed (`throughput.master_us_per_job`), 22 were not run.',
    );
  });

  it('tells command and conditions of each suite', () => {
    expect(sectionOf('throughput')).toMatch(/`npm run bench -- throughput --quick`.*64 cores \(an abacus\)/);
    expect(sectionOf('fleet')).toContain('`npm run bench -- fleet`. Not run.');
    for (const { suite, figures } of MADE_UP)
      for (const { name } of figures) expect(sectionOf(suite)).toContain(`| ${name} |`);
  });

  it('shows the charts it drew, and no other', () => {
    const shown = [...page.matchAll(/!\[[^\]]+\]\(charts\/([^)]+)\)/g)].map(([, file]) => file);
    expect(shown.sort()).toEqual(readdirSync(join(folder, 'charts')).sort());
    expect(shown).toEqual(
      expect.arrayContaining(['throughput-jobs.svg', 'throughput-cpu.svg', 'bloat-churn.svg']),
    );
  });

  it('draws bars and lines to scale, with units, in light and in dark', () => {
    const bars = chart('throughput-jobs');
    const [ours, peer] = [...bars.matchAll(/<rect class="(?:ours|peer)"[^>]* width="([\d.]+)"/g)].map(
      firstNumber,
    );
    expect(ours! / peer!).toBeCloseTo(4.5, 1);
    const lines = chart('bloat-churn');
    const heights = [...lines.matchAll(/ cy="([\d.]+)"/g)].map(firstNumber);
    expect(heights).toHaveLength(10);
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
    for (const svg of [bars, lines]) {
      expect(svg).toMatch(/<text class="axis"[^>]*>jobs\/s<\/text>/);
      expect(svg).toContain('prefers-color-scheme:dark');
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    }
  });

  it('has the bounds that the suites tell of, by their names', () => {
    const names = [...page.matchAll(/^\| `(\w+\.\w+)` \|/gm)].map(([, name = '']) => name.split('.'));
    expect(names).toHaveLength(25);
    for (const [suite, name] of names)
      expect(readFileSync(join(ROOT, `bench/src/suites/${suite}.ts`), 'utf8')).toContain(`'${name}'`);
  });
});

describe('docs/performance.md', () => {
  it('tells what was measured of every bound, and has a chart of every suite', () => {
    const committed = readFileSync(join(ROOT, 'docs/performance.md'), 'utf8');
    const rows = [...committed.matchAll(/^\| `(\w+)\.\w+` \|.*$/gm)];
    expect(rows).toHaveLength(25);
    for (const [row] of rows) expect(row).not.toContain('not run');
    for (const suite of new Set(rows.map(([, name = '']) => name)))
      expect(sectionOf(suite, committed)).toContain('](charts/');
  });

  it('shows no chart that is not there', () => {
    const committed = readFileSync(join(ROOT, 'docs/performance.md'), 'utf8');
    for (const [, file = ''] of committed.matchAll(/\]\((charts\/[^)]+)\)/g))
      expect(readFileSync(join(ROOT, 'docs', file), 'utf8')).toContain('<svg');
  });
});

function boundOf(name: string): string {
  return page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? '';
}

function sectionOf(suite: string, text = page): string {
  return text.split('\n### ').find((section) => section.startsWith(`${suite}\n`)) ?? '';
}

function chart(name: string): string {
  return readFileSync(join(folder, 'charts', `${name}.svg`), 'utf8');
}

function firstNumber([, digits]: RegExpMatchArray): number {
  return Number(digits);
}
