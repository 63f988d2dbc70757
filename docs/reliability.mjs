/**
 * Writes docs/reliability.md from the figures that `npm run test:faults` and `npm run chaos` left in
 * test/faults/figures: `npm run docs:reliability`. Refuses figures that do not show what the page says.
 *
 *     node docs/reliability.mjs [FOLDER OF FIGURES] [FILE]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? join(import.meta.dirname, '../test/faults/figures');
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const figures = new Map(
  files.map((name) => [name.slice(0, -'.json'.length), JSON.parse(readFileSync(join(folder, name), 'utf8'))]),
);

/** In the order of guarantees.md. */
const BOUNDS = [
  'leader-killed',
  'leader-terminated',
  'leader-resigns',
  'leader-stopped',
  'leader-unreachable',
  'worker-dies',
  'outage-grace',
  'lease-over-new-leader',
  'postgres-restarts',
  'primary-fails-over',
  'listener-dies',
  'claims-without-signals',
];
const missing = [...BOUNDS, 'asynchronous', 'chaos'].filter((name) => !figures.has(name));
if (missing.length > 0) {
  console.error(
    `There are no figures of ${missing.join(', ')} in ${folder}: run \`npm run test:faults\` and \`npm run chaos -- --minutes 30\`.`,
  );
  process.exit(1);
}

const lost = figures.get('asynchronous');
const chaos = figures.get('chaos');
const bounds = BOUNDS.map((name) => [name, figures.get(name)]);
const of = [...bounds, ['asynchronous', lost], ['chaos', chaos]];
const commits = [...new Set(of.map(([, { commit }]) => commit))];
const seeds = [...new Set([...bounds.map(([, { seed }]) => seed), lost.seed])];

/** What this page would say and the figures do not: each is a reason not to write it. */
const wrong = [
  ...of.filter(([, { commit }]) => !commit).map(([name]) => `${name} is of no known commit`),
  ...of.filter(([, { seed }]) => !Number.isInteger(seed)).map(([name]) => `${name} has no seed`),
  ...(commits.length > 1 ? [`they are of several commits: ${commits.join(', ')}`] : []),
  ...bounds
    .filter(([, { repeats }]) => !(repeats >= 10))
    .map(([name, { repeats }]) => `${name} was repeated ${repeats} times, not 10`),
  ...bounds
    .filter(([, { median, boundMs }]) => !Number.isFinite(median) || median > boundMs)
    .map(
      ([name, { median, boundMs }]) => `${name} took ${median} ms at the median, its bound is ${boundMs} ms`,
    ),
  ...(chaos.minutes >= 30 ? [] : [`chaos was run for ${chaos.minutes} minutes, not 30`]),
  ...(chaos.violations === 0 ? [] : [`chaos found ${chaos.violations} violations`]),
];
if (wrong.length > 0) {
  console.error(
    `The figures in ${folder} do not show what docs/reliability.md says:\n  ${wrong.join('\n  ')}`,
  );
  process.exit(1);
}

const seconds = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`);
const rows = bounds.map(([, { event, boundMs, min, median, max, repeats, measured }]) => {
  return `| ${event} | ${seconds(boundMs)} | ${[min, median, max].map(seconds).join(' / ')} | ${repeats} | ${measured} |`;
});
const kinds = Object.entries(chaos.counts).map(([name, count]) => `| ${name} | ${count} |`);

const page = `# Reliability: what was measured

This page is written by \`npm run docs:reliability\` from what \`npm run test:faults\` and \`npm run chaos\` measured. What is
promised, and the test that shows each promise, stands in [test-plan.md](test-plan.md); here are the times. All processes
ran on one machine with two cores, which the load, the masters and PostgreSQL shared. Measured on commit
\`${commits[0]}\`: the faults with seed ${seeds.join(', ')}, chaos with seed ${chaos.seed}.

## Bounds

Minimum, median and maximum of so many repeats; the median is held against the bound. Taken by \`npm run test:faults\`.

| event | bound | min / median / max | repeats | what was timed |
|---|---|---|---|---|
${rows.join('\n')}

The lease of a dead worker is 30 s from its last heartbeat, which comes every 10 s; the sweep runs every 5 s.

## What a fail-over may lose

With a synchronous standby (\`synchronous_standby_names\`, or Patroni's \`synchronous_mode\` with \`synchronous_mode_strict\`)
nothing that was acknowledged is lost: \`test/faults/patroni.fault.spec.ts\` kills the primary's machine under load, twice.

An asynchronous standby that is promoted lacks what it had not received. With one that hears of everything
${lost.late_ms} ms late, ${lost.lost} of ${lost.acknowledged} acknowledged submits, ${lost.reports} reports and ${lost.claims} claims were gone after the
primary was killed${lost.kills > 1 ? ` ${lost.kills} times` : ''}; the oldest submit was ${lost.oldest_ms} ms old (\`test/faults/f07-asynchronous.fault.spec.ts\`). So: what is
lost is what was acknowledged within the standby's lag: submits, claims, reports, cancels, retries and pauses alike. A report
that is lost means that its job runs again once its lease is over; a submit that is lost is made again where its team repeats it
with its Idempotency-Key; a cancel or a pause has to be asked for again.

Results stay fenced: no attempt begins on a new timeline before a term has begun there, with which epoch and lease tokens jump
by 2^32, so that no number comes twice, and what a worker reports of a lost claim is told \`stale\`. A run may overlap, though:
a job whose claim was lost is queued again and given to another worker, while the first one encodes on until its next
heartbeat is told \`lost\`, for up to one interval of heartbeats (10 s by default) after the masters are back. With heartbeats every
${lost.heartbeat_ms / 1000} s that happened to ${lost.overlaps} of the ${lost.claims} lost claims, for ${lost.longest_overlap_ms} ms at most.

## Chaos

\`npm run chaos -- --minutes ${chaos.minutes}\`: faults at random, up to three at once, on three masters, a synchronous pair of
servers, six known workers and two real ones; then peace, the checker and \`ffmpeg-master verify\`. Of the faults of the test
plan it leaves out F13 (PgBouncer), F16 (many masters starting on an empty database), F17 (another build), F21 (a balancer), F19's full disk and
F12's clock of a worker, which need another set-up; they have tests of their own.

**${chaos.total} faults of ${kinds.length} kinds, ${chaos.jobs} jobs, ${chaos.repeats} repeated attempts, ${chaos.terms} terms,
${chaos.unanswered} calls that nobody answered, ${chaos.violations} violations.**

| fault | times |
|---|---|
${kinds.join('\n')}
`;
writeFileSync(process.argv[3] ?? join(import.meta.dirname, 'reliability.md'), page);
