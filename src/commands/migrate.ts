/** `migrate up|status`: the schema of the database. */
import type { Command } from 'commander';
import { parseDsn } from '../config/dsn.js';
import type { Settings } from '../config/settings.js';
import { migrate, migrationStatus } from '../database/migrations.js';
import { type EmbeddedServer, joinEmbeddedServer } from './embedded-server.js';
import { joinExistingServer } from './existing-database.js';
import { masterSettings } from './master-settings.js';
import { renderTable } from './terminal/table.js';

interface Flags {
  readonly config?: string;
  readonly dataDir?: string;
}

export function define(command: Command): void {
  withFlags(
    command.command('up').description('apply what is missing; safe to run from several places at once'),
  ).action(async (flags: Flags) => withMigrationServer(flags, joinEmbeddedServer, up));
  withFlags(command.command('status').description('say what is applied and what is missing')).action(
    async (flags: Flags) => withMigrationServer(flags, joinExistingServer, status),
  );
}

function withFlags(command: Command): Command {
  return command
    .option('--config <file>', 'settings in YAML')
    .option('--data-dir <dir>', 'database.data_dir');
}

async function up(dsn: string, masterRole: string | undefined): Promise<void> {
  const applied = await migrate({
    dsn,
    ...(masterRole !== undefined && { masterRole }),
    log: (message) => process.stdout.write(`${message}\n`),
  });
  if (applied.length === 0) process.stdout.write('the schema is up to date\n');
}

async function status(dsn: string): Promise<void> {
  const { applied, pending, unknown } = await migrationStatus(dsn);
  const rows = [
    ...applied.map((name) => ({
      name,
      state: unknown.includes(name) ? 'applied by a newer program' : 'applied',
    })),
    ...pending.map((name) => ({ name, state: 'pending' })),
  ];
  process.stdout.write(
    `${renderTable(
      [
        { title: 'MIGRATION', value: (row: (typeof rows)[number]) => row.name },
        { title: 'STATE', value: (row) => row.state },
      ],
      rows,
    )}\n`,
  );
  if (pending.length > 0) process.stdout.write('apply what is pending with: ffmpeg-master migrate up\n');
}

async function withMigrationServer(
  flags: Flags,
  join: (dataDir: string) => Promise<EmbeddedServer>,
  work: (dsn: string, masterRole: string | undefined) => Promise<void>,
): Promise<void> {
  const { database } = masterSettings({
    configFile: flags.config,
    overrides: { 'database.data_dir': flags.dataDir },
  });
  if (database.type !== 'embedded') return work(database.migrate_dsn ?? '', otherRole(database));
  const server = await join(database.data_dir);
  try {
    await work(server.dsn, undefined);
  } finally {
    await server.leaveAsFound();
  }
}

/** The role that masters log in as, where it is not the one that migrates. */
function otherRole({ dsn, migrate_dsn }: Settings['database']): string | undefined {
  if (dsn === undefined || migrate_dsn === undefined) return undefined;
  const { user } = parseDsn(dsn);
  return user === parseDsn(migrate_dsn).user ? undefined : user;
}
