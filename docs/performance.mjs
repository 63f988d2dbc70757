// Fills docs/performance.md with measured figures and draws its charts: `node docs/performance.mjs bench/results/*.json`.
// Each file is what `npm run bench -- SUITE --json FILE` wrote; of a suite that several hold, the last one stands. What
// no file holds is shown as not run. `--into FOLDER` writes page and charts there instead.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chartsOf } from './performance-charts.mjs';

const PAGE = join(import.meta.dirname, 'performance.md');

/** Name, what it is, bound. */
const TABLE = [
  [
    'throughput.single_vs_graphile_default',
    'report and claim one job a request, 256 workers: jobs/s over graphile-worker as it comes, in-process, 24 at a time',
    '≥ 4',
  ],
  ['throughput.single_vs_pgboss_100', 'the same over pg-boss that fetches 100 at a time', '≥ 4'],
  ['throughput.single_jobs_per_second', 'the same with 1,000 workers on 3 masters, jobs/s', '≥ 10,000'],
  [
    'throughput.batch10_vs_graphile_localqueue',
    'report and claim 10 jobs a request, over graphile-worker with localQueue and batched completes',
    '≥ 0.8, goal 1',
  ],
  [
    'throughput.sql_vs_graphile_localqueue',
    'the statements of dispatch without HTTP, over the same',
    '≥ 1.3',
  ],
  [
    'throughput.sql_vs_pgbench',
    'the same over pgbench that claims 100 and moves 100 to history, the best of 1, 2, 4 and 8 clients',
    '≥ 0.7',
  ],
  ['throughput.master_us_per_job', 'CPU of the master a job, one job a request, 256 workers, µs', '≤ 100'],
  ['throughput.database_us_per_job', 'CPU of the database a job, same, µs', '≤ 35'],
  [
    'submit.single_vs_pgboss',
    'submit one job a request, 64 connections, over `send` of pg-boss, 64 at a time',
    '≥ 4',
  ],
  ['submit.single_vs_graphile', 'the same over `addJob` of graphile-worker, 64 at a time', '≥ 5'],
  ['submit.batch_vs_pgboss', 'batches of 1,000 over `insert` of 1,000 of pg-boss', '≥ 0.5, goal 1'],
  [
    'latency.p50_vs_graphile',
    'submit to start, 1,000 parked workers on 3 masters, low load: p50 over that of graphile-worker in-process',
    '≤ 1',
  ],
  ['latency.p99_ms', 'p99 of the same, ms', '≤ 15'],
  [
    'latency.burst_ms',
    '1,000 jobs in one batch to 1,000 parked workers: until the last has started, ms',
    '≤ 300',
  ],
  ['latency.burst_claims', 'statements that claimed them', '≤ 30'],
  [
    'latency.idle_cores',
    '1,000 parked workers and nothing to do: cores used by 3 masters and the database',
    '≤ 0.03',
  ],
  [
    'backlog.waiting',
    'server time a claimed job, claims of 10: 1,000,000 waiting in the lane over 1,000',
    '≤ 1.3',
  ],
  [
    'backlog.foreign_lane',
    'the same: 1,000,000 over 1,000 in a lane that the node may not serve, beside 1,000 that it may',
    '≤ 1.3',
  ],
  ['backlog.tenants', 'the same: 1,000 jobs of each of 1,000 tenants over one of each', '≤ 1.3'],
  ['backlog.paused', 'the same: 1,000,000 over 1,000 behind a paused queue', '≤ 1.3'],
  ['backlog.history', 'the same: 1,000,000 over 1,000 in history', '≤ 1.3'],
  [
    'bloat.open_transaction',
    'throughput in the last 30 s of a transaction that another session holds open for 2 minutes, over the 30 s before it',
    '≥ 0.8',
  ],
  ['bloat.churn', 'throughput of the last tenth of 1,000,000 jobs over the first', '≥ 0.8'],
  [
    'fleet.cores',
    '1,000 nodes, 10,000 running attempts, heartbeats with progress every 10 s: cores used by 3 masters and the database',
    '≤ 0.25',
  ],
  ['scale.cpu_per_job_4_vs_1', 'CPU a job with 4 masters over 1, the same workers', '≤ 1.3'],
];

/** The figures that absolute bounds are taken from, where the name is another: they have least and most. */
const FIGURE_OF = {
  'throughput.single_jobs_per_second': 'single_1000_workers.jobs_per_second',
  'throughput.master_us_per_job': 'single.master_us_per_job',
  'throughput.database_us_per_job': 'single.database_us_per_job',
  'latency.p99_ms': 'ours.p99',
  'latency.burst_ms': 'burst.last_start',
  'latency.burst_claims': 'burst.claims',
  'latency.idle_cores': 'idle.cores',
};

const { positionals: files, values } = parseArgs({
  allowPositionals: true,
  options: { into: { type: 'string', default: import.meta.dirname } },
});
if (files.length === 0) {
  throw new Error('Name the JSON files of a run: node docs/performance.mjs bench/results/*.json');
}
const suites = new Map();
for (const file of files) {
  for (const result of [JSON.parse(readFileSync(file, 'utf8'))].flat()) suites.set(result.suite, result);
}

const charts = join(values.into, 'charts');
// Those of an earlier run would stand beside other figures.
rmSync(charts, { recursive: true, force: true });
mkdirSync(charts, { recursive: true });
const measured = TABLE.map(([name, about, bound]) => measure(name, about, bound));
const page = readFileSync(PAGE, 'utf8');
writeFileSync(
  join(values.into, 'performance.md'),
  between(between(page, 'bounds', bounds()), 'figures', figures()),
);

function measure(name, about, bound) {
  const suite = name.slice(0, name.indexOf('.'));
  const figure = FIGURE_OF[name] ?? name.slice(suite.length + 1);
  const result = suites.get(suite);
  const value = result?.ratios.find((ratio) => ratio.name === name)?.value;
  const spread = result?.figures.find((one) => one.name === figure);
  return { name, about, bound, suite, value, spread, holds: value !== undefined && meets(value, bound) };
}

function bounds() {
  const missed = measured.filter(({ value, holds }) => value !== undefined && !holds);
  const missing = measured.filter(({ value }) => value === undefined);
  const held = measured.length - missed.length - missing.length;
  const names = missed.map(({ name }) => `\`${name}\``).join(', ');
  const rows = measured.map(
    ({ name, about, bound, suite, ...found }) =>
      `| \`${name}\` | ${about} | ${bound} | ${told(found, bound)} | [${suite}](#${suite}) |`,
  );
  return [
    `Of ${measured.length} bounds ${held} hold, ${missed.length} are missed${names && ` (${names})`}, ${missing.length} were not run.`,
    '',
    '| name | what | bound | measured (min / median / max of the rounds) | command and conditions |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function told({ value, spread, holds }, bound) {
  if (value === undefined) return 'not run';
  const all =
    spread && spread.min !== spread.max
      ? ` (${readable(spread.min)} / ${readable(spread.median)} / ${readable(spread.max)})`
      : '';
  const goal = Number(/goal ([\d.]+)/.exec(bound)?.[1] ?? 0);
  const verdict = !holds ? ' **missed**' : value < goal ? ', short of the goal' : '';
  return `${readable(value)}${all}${verdict}`;
}

function figures() {
  const names = new Set(measured.map(({ suite }) => suite));
  return [...names].map((name) => section(name, suites.get(name))).join('\n\n');
}

function section(name, result) {
  const command = `Command: \`npm run bench -- ${name}${result?.conditions?.quick ? ' --quick' : ''}\`.`;
  if (!result) return [`### ${name}`, '', `${command} Not run.`].join('\n');
  const drawn = chartsOf(result);
  for (const { file, svg } of drawn) writeFileSync(join(charts, file), svg);
  const own = measured.filter(({ suite }) => suite === name);
  return [
    `### ${name}`,
    '',
    `${command} Conditions: ${conditionsOf(result.conditions)}.`,
    '',
    ...own.map(({ name: ratio, bound, ...found }) => `- \`${ratio}\`: ${told(found, bound)}; bound ${bound}`),
    '',
    ...drawn.flatMap(({ file, title }) => [`![${title}](charts/${file})`, '']),
    '| figure | unit | min | median | max |',
    '|---|---|---|---|---|',
    ...result.figures.map(
      (one) =>
        `| ${one.name} | ${one.unit} | ${readable(one.min)} | ${readable(one.median)} | ${readable(one.max)} |`,
    ),
  ].join('\n');
}

/** Older files lack some of it. */
function conditionsOf({ cores, cpu, memory_gib, node, system, at, busy_cores, quick } = {}) {
  const said = [
    cores && `${cores} cores (${cpu})`,
    memory_gib && `${memory_gib} GiB`,
    system,
    node && `Node ${node}`,
    'PostgreSQL 15',
    at && `begun ${at}`,
    busy_cores !== undefined && `load average before it ${readable(busy_cores)}`,
    quick && 'with --quick: fewer rounds',
  ];
  return said.filter(Boolean).join(', ');
}

function meets(value, bound) {
  const [, sign, number] = /^([≤≥]) ([\d.,]+)/.exec(bound);
  const limit = Number(number.replaceAll(',', '').replace(/\.$/, ''));
  return sign === '≥' ? value >= limit : value <= limit;
}

function readable(value) {
  if (value === 0) return '0';
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** The text with what stands between two marks replaced. */
function between(text, name, part) {
  const [from, to] = [`<!-- ${name}: written by docs/performance.mjs -->`, `<!-- end of ${name} -->`];
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`docs/performance.md has no marks of ${name}`);
  return `${text.slice(0, start + from.length)}\n\n${part}\n\n${text.slice(end)}`;
}
