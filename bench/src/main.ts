/**
 * `npm run bench -- [SUITE…] [--quick] [--json FILE]`: measures the masters and their peers alternately, in
 * one run, on one PostgreSQL with stated settings, and prints figures and ratios. Exits 1 if a suite
 * could not be run or statements per job have grown; a bound that was missed is reported and is no failure.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import freshBuild from '../../test/support/fresh-build.js';
import { beAlone } from './alone.js';
import { printResults } from './print.js';
import { Bench, type Suite } from './suite.js';
import { backlog } from './suites/backlog.js';
import { bloat } from './suites/bloat.js';
import { fleet } from './suites/fleet.js';
import { ffrtmp } from './suites/ffrtmp.js';
import { importing } from './suites/import.js';
import { latency } from './suites/latency.js';
import { scale } from './suites/scale.js';
import { submit } from './suites/submit.js';
import { throughput } from './suites/throughput.js';

const SUITES: readonly Suite[] = [
  throughput,
  submit,
  latency,
  backlog,
  bloat,
  fleet,
  scale,
  ffrtmp,
  importing,
];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});
const chosen = positionals.length === 0 ? SUITES : positionals.map(suiteOf);
// npm runs scripts in the folder of their package; INIT_CWD is where the person stands.
const json = values.json && resolve(process.env.INIT_CWD ?? process.cwd(), values.json);
if (json) mkdirSync(dirname(json), { recursive: true });

// On, not once: tsx passes on a signal that the terminal has sent to the whole group already.
let running: Bench | undefined;
let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (!isStopping) void running?.end().finally(() => process.exit(process.exitCode || 130));
    isStopping = true;
  });
}

await beAlone().catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
freshBuild();
const results: object[] = [];
for (const suite of chosen) {
  console.log(`${suite.name}: ${suite.about}`);
  const began = performance.now();
  const found = conditions();
  const bench = (running = new Bench(suite.name, values.quick));
  try {
    await suite.run(bench);
  } catch (error) {
    process.exitCode = 1;
    console.error(`${suite.name} failed:`, error);
  } finally {
    await bench.end();
  }
  console.log(`${suite.name}: ${Math.round((performance.now() - began) / 1000)} s`);
  printResults(bench);
  for (const grown of bench.grown) {
    process.exitCode = 1;
    console.error(`Statements per job have grown. ${grown}.`);
  }
  results.push({
    suite: suite.name,
    conditions: found,
    figures: bench.figures,
    ratios: bench.ratios.map(({ name, value }) => ({ name, value })),
  });
  // Written after each suite, so that an hour is not lost with the last one.
  if (json) writeFileSync(json, `${JSON.stringify(results.length === 1 ? results[0] : results, null, 2)}\n`);
}

/** Where and when this runs, and what else the machine does, for whoever reads the figures later. */
function conditions(): object {
  const processors = cpus();
  return {
    quick: values.quick,
    cores: processors.length,
    cpu: processors[0]?.model,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    system: `${type()} ${release()}`,
    at: new Date().toISOString().slice(0, 16),
    /** Of the last minute: after another suite, that suite's own. */
    busy_cores: loadavg()[0],
  };
}

function suiteOf(name: string): Suite {
  const suite = SUITES.find((one) => one.name === name);
  if (suite) return suite;
  console.error(`There is no suite ${name}. There are: ${SUITES.map((one) => one.name).join(', ')}.`);
  process.exit(2);
}
