/**
 * Writes docs/reliability.md from the figures that `npm run test:faults` and `npm run chaos` left in
 * test/faults/figures (or in the folder given): `npm run docs:reliability`.
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

const seconds = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`);
const rows = BOUNDS.map((name) => {
  const { event, boundMs, min, median, max, repeats, measured } = figures.get(name);
  return `| ${event} | ${seconds(boundMs)} | ${[min, median, max].map(seconds).join(' / ')} | ${repeats} | ${measured} |`;
});
const lost = figures.get('asynchronous');
const chaos = figures.get('chaos');
const kinds = Object.entries(chaos.counts).map(([name, count]) => `| ${name} | ${count} |`);

const page = `# Reliability: what was measured

This page is written by \`npm run docs:reliability\` from what \`npm run test:faults\` and \`npm run chaos\` measured. What is
promised, and the test that shows each promise, stands in [test-plan.md](test-plan.md); here are the times. All processes
ran on one machine with two cores, which the load, the masters and PostgreSQL shared.

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
${lost.late_ms} ms late, ${lost.lost} of ${lost.acknowledged} acknowledged submits and ${lost.reports} reports were gone after the
primary was killed; the oldest submit was ${lost.oldest_ms} ms old (\`test/faults/f07-asynchronous.fault.spec.ts\`). So: what is
lost is what was acknowledged within the standby's lag, submits and reports alike. A report that is lost means that its job runs again once
its lease is over; a submit that is lost is made again where its team repeats it with its Idempotency-Key. Nothing is doubled
by it: no attempt begins on a new timeline before a term has begun there, with which epoch and lease tokens jump by 2^32, so
that no number comes twice.

## Chaos

\`npm run chaos -- --minutes ${chaos.minutes}\`: faults at random, up to three at once, on three masters, a synchronous pair of
servers, six known workers and two real ones; then peace, the checker and \`ffmpeg-master verify\`.

**${chaos.total} faults of ${kinds.length} kinds, ${chaos.jobs} jobs, ${chaos.repeats} repeated attempts, ${chaos.terms} terms,
${chaos.unanswered} calls that nobody answered, 0 violations.**

| fault | times |
|---|---|
${kinds.join('\n')}
`;
writeFileSync(join(import.meta.dirname, 'reliability.md'), page);
