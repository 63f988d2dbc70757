// Which charts are drawn of which figures of a suite. A chart without figures is left out.
import { barChart, lineChart } from './svg-charts.mjs';

/** Charts of a suite's result: `[{file, title, svg}]`. */
export function chartsOf({ suite, figures }) {
  const known = new Map(figures.map((figure) => [figure.name, figure]));
  return (CHARTS[suite] ?? []).flatMap(({ file, ...about }) => {
    const svg = draw(about, known);
    return svg ? [{ file: `${file}.svg`, title: about.title, svg }] : [];
  });
}

const PEERS = ['graphile', 'pgboss', 'bullmq', 'pgbench'];

/** `rows`: label and figure. `parts`: label and the figures that add up. `points`: the figures by where they stand. */
const CHARTS = {
  throughput: [
    {
      file: 'throughput-jobs',
      title: 'Jobs handed out and settled: median, least and most of the rounds',
      unit: 'jobs/s',
      rows: [
        ['one job a request', 'single.jobs_per_second'],
        ['1,000 workers, 3 masters', 'single_1000_workers.jobs_per_second'],
        ['ten jobs a request', 'batch10.jobs_per_second'],
        ['our statements alone', 'sql.jobs_per_second'],
        ['graphile-worker', 'graphile_default.jobs_per_second'],
        ['graphile, localQueue', 'graphile_localqueue.jobs_per_second'],
        ['pg-boss, 100 at a time', 'pgboss_100.jobs_per_second'],
        ['BullMQ on PostgreSQL', 'bullmq.jobs_per_second'],
        ['pgbench, 100 at a time', 'pgbench.jobs_per_second'],
      ],
    },
    {
      file: 'throughput-cpu',
      title: 'CPU a job: the process that has the workers’ requests, and the database',
      unit: 'µs a job',
      parts: [
        ['one job a request', 'single'],
        ['1,000 workers, 3 masters', 'single_1000_workers'],
        ['ten jobs a request', 'batch10'],
        ['our statements alone', 'sql'],
        ['graphile-worker', 'graphile_default'],
        ['graphile, localQueue', 'graphile_localqueue'],
        ['pg-boss, 100 at a time', 'pgboss_100'],
        ['BullMQ on PostgreSQL', 'bullmq'],
      ].map(([label, name]) => [label, partsOfCpu(name)]),
    },
  ],
  submit: [
    {
      file: 'submit-single',
      title: 'Jobs submitted one a call, 64 calls at a time',
      unit: 'jobs/s',
      rows: [
        ['over HTTP', 'single.jobs_per_second'],
        ['graphile-worker addJob', 'graphile_addjob.jobs_per_second'],
        ['pg-boss send', 'pgboss_send.jobs_per_second'],
        ['BullMQ add', 'bullmq.jobs_per_second'],
      ],
    },
    {
      file: 'submit-batch',
      title: 'Jobs submitted in batches of 1,000, each at its best number of callers',
      unit: 'jobs/s',
      rows: [
        ['over HTTP', 'batch.jobs_per_second'],
        ['pg-boss insert', 'pgboss_insert.jobs_per_second'],
      ],
    },
    {
      file: 'submit-cpu',
      title: 'CPU a submitted job',
      unit: 'µs a job',
      parts: [
        ['over HTTP', 'single'],
        ['graphile-worker addJob', 'graphile_addjob'],
        ['pg-boss send', 'pgboss_send'],
        ['BullMQ add', 'bullmq'],
        ['over HTTP, batches', 'batch_4_callers'],
        ['pg-boss insert', 'pgboss_insert_4_callers'],
      ].map(([label, name]) => [label, partsOfCpu(name)]),
    },
  ],
  latency: [
    {
      file: 'latency',
      title: 'From a submit to its start at low load, 1,000 workers parked at 3 masters',
      unit: 'ms',
      rows: ['p50', 'p95', 'p99'].flatMap((share) => [
        [`over HTTP, ${share}`, `ours.${share}`],
        [`graphile-worker, ${share}`, `graphile.${share}`],
      ]),
    },
  ],
  backlog: [
    {
      file: 'backlog',
      title: 'Time of the server for a claimed job, with 1,000 jobs and with 1,000,000',
      unit: 'µs a job',
      rows: [
        ['waiting', 'waiting'],
        ['foreign lane', 'foreign_lane'],
        ['1,000 tenants', 'tenants'],
        ['paused', 'paused'],
        ['history', 'history'],
      ].flatMap(([label, name]) => [
        [`${label}, 1,000`, `${name}.small.us_per_job`, 'peer'],
        [`${label}, 1,000,000`, `${name}.big.us_per_job`, 'ours'],
      ]),
    },
  ],
  bloat: [
    {
      file: 'bloat-churn',
      title: 'Throughput through 1,000,000 jobs, in tenths',
      unit: 'jobs/s',
      along: 'jobs settled, hundreds of thousands',
      points: Array.from({ length: 10 }, (_, k) => [k + 1, `churn.tenth_${k + 1}`]),
      least: ['churn.tenth_1', 0.8, '0.8 of the first tenth'],
    },
    {
      file: 'bloat-open-transaction',
      title: 'Throughput while another session holds a snapshot',
      unit: 'jobs/s',
      along: 'seconds that the transaction has been open',
      points: [
        [0, 'held.before'],
        ...Array.from({ length: 12 }, (_, k) => [10 * (k + 1), `held.after_${10 * (k + 1)}_s`]),
      ],
      least: ['held.before', 0.8, '0.8 of what it was before'],
    },
  ],
  fleet: [
    {
      file: 'fleet',
      title: 'Cores used by heartbeats of 1,000 nodes with 10,000 running attempts',
      unit: 'cores',
      rows: [
        ['masters and database', 'cores'],
        ...[1, 2, 3].map((k) => [`master ${k}`, `cores.master_${k}`]),
        ['database', 'cores.database', 'database'],
      ],
      limit: { value: 0.25, name: 'bound of the sum: 0.25' },
    },
  ],
  scale: [
    {
      file: 'scale',
      title: 'CPU a job with one master and with four, the same workers',
      unit: 'µs a job',
      parts: [
        ['1 master', partsOfCpu('masters_1')],
        ['4 masters', partsOfCpu('masters_4')],
      ],
    },
  ],
};

/** Whichever of the processes there is, and the database. */
function partsOfCpu(name) {
  return [
    ['process', ['master', 'worker', 'peer'].map((process) => `${name}.${process}_us_per_job`)],
    ['database', [`${name}.database_us_per_job`]],
  ];
}

function draw({ rows, parts, points, least, ...about }, known) {
  if (points) return drawLine(points, least, about, known);
  const drawn = parts
    ? parts.flatMap(([label, made]) => stacked(label, made, known))
    : rows.flatMap(([label, name, kind]) => bar(label, name, kind, known));
  return drawn.length > 0 ? barChart({ ...about, rows: drawn }) : undefined;
}

function bar(label, name, kind, known) {
  const figure = known.get(name);
  if (!figure) return [];
  const isPeer = PEERS.some((peer) => name.startsWith(peer));
  const { min, max, median: value } = figure;
  return [{ label, kind: kind ?? (isPeer ? 'peer' : 'ours'), value, min, max }];
}

function stacked(label, made, known) {
  const found = made.flatMap(([kind, names]) => {
    const name = names.find((one) => known.has(one));
    const called = kind === 'database' ? 'database' : 'masters, or the peer’s process';
    return name ? [{ kind, value: known.get(name).median, name: called }] : [];
  });
  return found.length > 0 ? [{ label, parts: found }] : [];
}

function drawLine(wanted, [first, share, name], about, known) {
  const points = wanted.flatMap(([x, figure]) => {
    const found = known.get(figure);
    return found ? [{ x, value: found.median, min: found.min, max: found.max }] : [];
  });
  if (points.length === 0) return undefined;
  const limit = known.has(first) ? { value: share * known.get(first).median, name } : undefined;
  return lineChart({ ...about, series: [{ name: 'masters', kind: 'ours', points }], limit });
}
