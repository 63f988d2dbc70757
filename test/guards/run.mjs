/**
 * `npm run test:guards [-- --only ID]`: takes each guard of guards.json away, by its patch, and demands that the test
 * named beside it fails, with the failure that it names. A guard that nothing misses is one that a later change takes
 * away unseen. First all these tests run on the tree as it is, and must pass.
 *
 * Works in one temporary copy of the tree, uncommitted changes included. A failure of this script is: a patch that no
 * longer applies, a test that did not run, that passed without its guard, or that failed for another reason (a patch
 * that breaks the statement shows nothing). The last line is `N passed, N failed`, one for each guard.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');

/** Installed packages that tests read, as links in the copy. */
const PACKAGES = ['node_modules', 'test/toolchain/postgres-15/node_modules'];

/**
 * Milliseconds for a run: more than a test and a hook of the database project have before vitest itself says which of
 * them hung, and what each further file adds, of which two run at once. The slowest guard is missed after 20 seconds.
 */
const RUN_WITHIN = 330_000;
const FURTHER_FILE = 90_000;

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
const all = JSON.parse(readFileSync(join(import.meta.dirname, 'guards.json'), 'utf8'));
const guards = all.filter(({ id }) => only === undefined || id === only);
if (guards.length === 0) {
  console.error(`There is no guard ${only}; there are ${all.map(({ id }) => id).join(', ')}.`);
  process.exit(2);
}

let running;
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    stopped = true;
    // By this one vitest stops its PostgreSQL before it ends.
    running?.kill('SIGINT');
  });

const copy = copyOfTree();
const verdicts = [];
const started = Date.now();
try {
  const before = await run(guards);
  console.log(`all of them with every guard in place: ${before.length} tests (${secondsSince(started)} s)`);
  for (const guard of guards) {
    if (stopped) break;
    const began = Date.now();
    const verdict = verdictOfPassing(guard, before) ?? (await withoutGuard(guard));
    verdicts.push({ guard: guard.id, patch: guard.patch, test: `${guard.spec} · ${guard.test}`, verdict });
    console.log(`${guard.id}: ${verdict} (${secondsSince(began)} s)`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}

console.log('\n| guard | patch | test | verdict |\n|---|---|---|---|');
for (const { guard, patch, test, verdict } of verdicts)
  console.log(`| ${guard} | ${patch} | ${test} | ${verdict.split('\n')[0]} |`);
const passed = verdicts.filter(({ verdict }) => verdict === 'missed').length;
const failed = guards.length - passed;
process.exitCode = failed > 0 ? 1 : 0;
console.log(`${passed} passed, ${failed} failed`);

/** Files of the index and new ones, as they are in the work tree. */
function copyOfTree() {
  const directory = mkdtempSync(join(tmpdir(), 'ffmpeg-master-guards-'));
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (listed.status !== 0) throw new Error(`git ls-files failed: ${listed.stderr}`);
  const files = listed.stdout.split('\0').filter((file) => file !== '' && !file.endsWith('node_modules'));
  for (const file of files) {
    // One that was deleted and not yet committed is still in the index.
    if (!existsSync(join(ROOT, file))) continue;
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    copyFileSync(join(ROOT, file), join(directory, file));
  }
  for (const packages of PACKAGES)
    if (existsSync(join(ROOT, packages))) symlinkSync(join(ROOT, packages), join(directory, packages));
  return directory;
}

/** Undefined where the test passed on the tree as it is. */
function verdictOfPassing(guard, tests) {
  const [test, ...others] = matching(guard, tests);
  if (test === undefined) return 'FAILED: the test did not run, with its guard in place';
  if (others.length > 0) return 'FAILED: several tests have this title';
  if (test.status !== 'passed') return `FAILED: the test ${test.status} with its guard in place\n${test.why}`;
  return undefined;
}

async function withoutGuard(guard) {
  const applied = apply(guard.patch);
  if (applied !== '') return `FAILED: the patch no longer applies\n${applied}`;
  try {
    const [test] = matching(guard, await run([guard]));
    if (test === undefined) return 'FAILED: the test did not run';
    if (test.status === 'passed') return 'FAILED: the test passed without the guard';
    if (!new RegExp(guard.fails_with).test(test.why))
      return `FAILED: the test failed otherwise than by ${guard.fails_with}\n${test.why}`;
    return 'missed';
  } finally {
    apply(guard.patch, '--reverse');
  }
}

/** Answers what git said, nothing where it applied. */
function apply(patch, ...options) {
  const path = join(copy, 'test/guards', patch);
  const { status, stderr } = spawnSync('git', ['apply', ...options, path], {
    cwd: copy,
    encoding: 'utf8',
    // Inside another repository git would apply nothing, and say nothing.
    env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(copy) },
  });
  return status === 0 ? '' : stderr;
}

/** The results of the tests of these guards, and of no others; none where the run told nothing. */
async function run(guarded) {
  const report = join(copy, '.state/guards.json');
  rmSync(report, { force: true });
  const specs = [...new Set(guarded.map(({ spec }) => spec))];
  // A file that belongs to one project is looked for in all; each of them would start a database.
  const projects = [...new Set(specs.map((spec) => (spec.endsWith('.db.spec.ts') ? 'database' : 'unit')))];
  const titles = guarded.map(({ test }) => `${escaped(test)}$`).join('|');
  const program = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const options = ['--reporter=json', `--outputFile=${report}`, '--testNamePattern', titles];
  running = spawn(
    process.execPath,
    [program, 'run', ...projects.flatMap((project) => ['--project', project]), ...options, ...specs],
    { cwd: copy, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let errors = '';
  running.stderr.setEncoding('utf8').on('data', (text) => (errors = (errors + text).slice(-2000)));
  const late = setTimeout(() => running.kill('SIGINT'), RUN_WITHIN + (specs.length - 1) * FURTHER_FILE);
  await new Promise((resolve) => running.once('close', resolve));
  clearTimeout(late);
  if (running.killed) console.error(`${specs.join(', ')}: cut off, ${guarded.length} tests too slow`);
  running = undefined;
  if (!existsSync(report)) {
    console.error(`vitest wrote no report: ${errors}`);
    return [];
  }
  return JSON.parse(readFileSync(report, 'utf8')).testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map(({ title, status, failureMessages }) => ({
        file: name,
        title,
        status,
        why: failureMessages.join('\n'),
      })),
  );
}

function secondsSince(began) {
  return Math.round((Date.now() - began) / 1000);
}

function matching({ spec, test }, tests) {
  return tests.filter(({ file, title }) => file.endsWith(`/${spec}`) && title === test);
}

function escaped(title) {
  return title.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
