/**
 * The build of the last release, whose commit `test/previous-release` holds, for tests that run it beside the present
 * one. It is built once a commit, into node_modules/.cache, and finds its packages in the node_modules above: versions
 * are pinned, and where the release wants another one it gets packages of its own.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const CACHE = join(ROOT, 'node_modules/.cache/ffmpeg-master');

/** Id of the last release's commit. */
export const previousCommit = readFileSync(join(ROOT, 'test/previous-release'), 'utf8').trim();

/**
 * As `describe`, for tests that need the last release. Where its commit cannot be had they are skipped, loudly; in CI
 * they fail, unless the clone is a shallow one.
 */
export function describeWithPreviousRelease(tests: () => void): void {
  const missing = whyMissing();
  if (missing === undefined) {
    describe('beside the previous release', tests);
  } else if (process.env.CI === 'true' && !isShallow()) {
    it('needs the previous release', () => expect.fail(`${missing}, and CI may not skip its tests.`));
  } else {
    console.warn(`SKIPPED: ${missing}; clone the repository with its history`);
    // Not `tests` under describe.skip, which would be called, to be listed.
    it.skip('needs the previous release', () => undefined);
  }
}

/** `main.js` of its build, for `Program`. The first call takes some three seconds. */
export function buildOfPreviousRelease(): string {
  const directory = join(CACHE, previousCommit);
  if (!existsSync(directory)) build(directory);
  return join(directory, 'dist/main.js');
}

/** The version that its masters give themselves. */
export function versionOfPreviousRelease(): string {
  return (JSON.parse(previousText('package.json')) as { version: string }).version;
}

/** A file as it was released. */
export function previousText(path: string): string {
  return git('show', `${previousCommit}:${path}`);
}

/** File names of its migrations, in their order. */
export function migrationsOfPreviousRelease(): string[] {
  const listed = git('ls-tree', '--name-only', previousCommit, 'src/database/migrations/');
  return listed.split('\n').flatMap((path) => (path.endsWith('.sql') ? [path.split('/').at(-1) ?? ''] : []));
}

function whyMissing(): string | undefined {
  if (succeeds('cat-file', '-e', `${previousCommit}^{commit}`)) return undefined;
  if (!succeeds('rev-parse', '--git-dir'))
    return 'this is no git repository to take the previous release from';
  if (succeeds('fetch', '--quiet', '--depth', '1', 'origin', previousCommit)) return undefined;
  return `the previous release ${previousCommit} is neither in this clone nor at its origin`;
}

function isShallow(): boolean {
  return succeeds('rev-parse', '--git-dir') && git('rev-parse', '--is-shallow-repository').trim() === 'true';
}

/** Built beside its place and moved there whole: files of tests run at the same time. */
function build(directory: string): void {
  mkdirSync(CACHE, { recursive: true });
  const building = mkdtempSync(join(CACHE, 'building-'));
  try {
    const env = { ...process.env, GIT_INDEX_FILE: join(building, '.index') };
    execFileSync('git', ['read-tree', previousCommit], { cwd: ROOT, env });
    execFileSync('git', ['checkout-index', '--all', `--prefix=${building}/`], { cwd: ROOT, env });
    if (hasItsPackages(building)) {
      const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
      execFileSync(process.execPath, [nest, 'build'], { cwd: building, stdio: ['ignore', 'ignore', 'pipe'] });
    } else {
      // Which builds it, too.
      execFileSync('npm', ['ci', '--no-audit', '--no-fund'], {
        cwd: building,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
    }
    if (!existsSync(directory)) renameSync(building, directory);
  } catch (error) {
    // Somebody else was first.
    if (!existsSync(directory)) throw error;
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** Whether what it runs with is installed here in the version that it wants. */
function hasItsPackages(release: string): boolean {
  const wanted = packageOf(release).dependencies;
  return Object.entries(wanted).every(([name, version]) => {
    const installed = join(ROOT, 'node_modules', name);
    return existsSync(installed) && packageOf(installed).version === version;
  });
}

function packageOf(directory: string): { version: string; dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as ReturnType<typeof packageOf>;
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' });
}

function succeeds(...args: string[]): boolean {
  return spawnSync('git', args, { cwd: ROOT, stdio: 'ignore' }).status === 0;
}
