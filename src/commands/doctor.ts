/** `doctor`: one line a check, with what to do about it. */
import type { Command } from 'commander';
import { ConfigurationError } from '../config/configuration-error.js';
import type { Settings } from '../config/settings.js';
import { type Check, fail, ok, type Verdict } from './doctor/check.js';
import { checkDatabase } from './doctor/database-checks.js';
import { checkMachine } from './doctor/machine-checks.js';
import { joinExistingServer } from './existing-database.js';
import { masterSettings } from './master-settings.js';
import { Failure, sentence } from './failures.js';
import { paint } from './terminal/paint.js';

interface Flags {
  readonly config?: string;
  readonly dataDir?: string;
  readonly output: string;
}

export function define(command: Command): void {
  command
    .option('--config <file>', 'settings in YAML')
    .option('--data-dir <dir>', 'database.data_dir')
    .option('--output <form>', 'text or json', 'text')
    .action(async (flags: Flags) => examine(flags));
}

async function examine(flags: Flags): Promise<void> {
  const checks: Check[] = [];
  for await (const check of allChecks(flags)) {
    checks.push(check);
    if (flags.output !== 'json') process.stdout.write(`${line(check)}\n`);
  }
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify({ checks }, null, 2)}\n`);
  const failed = checks.filter(({ verdict }) => verdict === 'fail').map(({ name }) => name);
  if (failed.length > 0) throw new Failure(`mend what failed: ${failed.join(', ')}`);
}

async function* allChecks(flags: Flags): AsyncGenerator<Check> {
  let settings: Settings;
  try {
    settings = masterSettings({
      configFile: flags.config,
      overrides: { 'database.data_dir': flags.dataDir },
    });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    yield fail('settings', error.message, 'mend the settings named here');
    return;
  }
  yield ok('settings', flags.config ?? 'defaults and environment');
  yield* checkMachine(settings);
  if (settings.database.type === 'embedded') yield* checkEmbedded(settings);
  else yield* checkDatabase(settings);
}

async function* checkEmbedded(settings: Settings): AsyncGenerator<Check> {
  const { database } = settings;
  let server;
  try {
    server = await joinExistingServer(database.data_dir);
  } catch (error) {
    yield fail(
      'embedded PostgreSQL',
      sentence(error),
      'mend what the sentence names, or give a server by database.dsn',
    );
    return;
  }
  try {
    const where = `in ${server.dataDir}, port ${server.port}`;
    yield ok('embedded PostgreSQL', server.outcome === 'started' ? `starts ${where}` : `runs ${where}`);
    Object.assign(database, { dsn: server.dsn, direct_dsn: server.dsn, migrate_dsn: server.dsn });
    yield* checkDatabase(settings);
  } finally {
    await server.leaveAsFound();
  }
}

const MARKS: Readonly<Record<Verdict, () => string>> = {
  ok: () => paint('green', 'ok  '),
  warn: () => paint('yellow', 'warn'),
  fail: () => paint('red', 'FAIL'),
};

function line({ name, verdict, found, mend }: Check): string {
  return `${MARKS[verdict]()}  ${name.padEnd(19)} ${found}${mend === undefined ? '' : `: ${mend}`}`;
}
