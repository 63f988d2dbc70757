// Fills docs/benchmarks.md with measured figures: `node docs/benchmarks.mjs bench/results/*.json`.
// Each file is what `npm run bench -- SUITE --json FILE` wrote; of a name that several hold, the last one stands.
import { readFileSync, writeFileSync } from 'node:fs';

const PAGE = new URL('benchmarks.md', import.meta.url);

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

const suites = new Map();
for (const file of process.argv.slice(2)) {
  for (const result of [JSON.parse(readFileSync(file, 'utf8'))].flat()) suites.set(result.suite, result);
}
if (suites.size === 0)
  throw new Error('Name the JSON files of a run: node docs/benchmarks.mjs bench/results/*.json');

const page = readFileSync(PAGE, 'utf8');
writeFileSync(PAGE, between(between(page, 'ratios', ratios()), 'figures', figures()));

function ratios() {
  const rows = TABLE.map(([name, about, bound]) => {
    const [suite, figure] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.') + 1)];
    const value = suites.get(suite)?.ratios.find((ratio) => ratio.name === name)?.value;
    const holds = value === undefined ? '' : meets(value, bound) ? '' : ' **missed**';
    const spread = suites.get(suite)?.figures.find((one) => one.name === figure);
    const measured =
      value === undefined
        ? 'not run'
        : spread && spread.min !== spread.max
          ? `${readable(value)} (${readable(spread.min)} / ${readable(spread.median)} / ${readable(spread.max)})`
          : readable(value);
    return `| \`${name}\` | ${about} | ${bound} | ${measured}${holds} | \`npm run bench -- ${suite}\` |`;
  });
  return ['| name | what | bound | measured | command |', '|---|---|---|---|---|', ...rows].join('\n');
}

function figures() {
  const known = new Set(TABLE.map(([name]) => name.slice(0, name.indexOf('.'))));
  return [...known]
    .flatMap((name) => suites.get(name) ?? [])
    .map(({ suite, conditions, figures }) =>
      [
        `### ${suite}`,
        '',
        ...(conditions ? [`${conditionsOf(conditions)}.`, ''] : []),
        '| figure | unit | min | median | max |',
        '|---|---|---|---|---|',
        ...figures.map(
          (one) =>
            `| ${one.name} | ${one.unit} | ${readable(one.min)} | ${readable(one.median)} | ${readable(one.max)} |`,
        ),
      ].join('\n'),
    )
    .join('\n\n');
}

function conditionsOf({ cores, cpu, memory_gib, node, quick }) {
  return `${cores} cores (${cpu}), ${memory_gib} GiB, Node ${node}${quick ? ', with --quick' : ''}`;
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
  const [from, to] = [`<!-- ${name}: written by docs/benchmarks.mjs -->`, `<!-- end of ${name} -->`];
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`docs/benchmarks.md has no marks of ${name}`);
  return `${text.slice(0, start + from.length)}\n\n${part}\n\n${text.slice(end)}`;
}
