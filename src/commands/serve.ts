/** `serve`: one master, until it is told to stop. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { Settings } from '../config/settings.js';
import { Failure, Misuse } from './failures.js';
import { masterSettings } from './master-settings.js';
import { translateOldStart } from './old-start.js';
import { reportReady, untilToldToStop } from './process-life.js';
import { type EmbeddedServer, joinEmbeddedServer } from './embedded-server.js';
import { several, settingArgument } from './terminal/arguments.js';

const GIVE_UP_START_MS = 5000;

interface Flags {
  readonly config?: string;
  readonly host?: string;
  readonly port?: string;
  readonly metricsPort?: string;
  readonly tls?: boolean;
  readonly dataDir?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly set?: string[];
  readonly unlessSet?: string[];
}

export function define(command: Command): void {
  command
    .option('--config <file>', 'settings in YAML')
    .option('--host <address>', 'api.host')
    .option('--port <n>', 'api.port')
    .option('--metrics-port <n>', 'metrics.port')
    .option('--tls', 'api.tls_enabled')
    .option('--data-dir <dir>', 'database.data_dir')
    .option('--log-level <level>', 'logging.level')
    .option('--log-format <form>', 'logging.format')
    .option(
      '--set <key=value>',
      'any setting, such as retry.max_retries=5; may be given several times',
      several,
    )
    // What an old start takes for granted; nobody writes it by hand.
    .addOption(new Option('--unless-set <key=value>').argParser(several).hideHelp())
    .addHelpText(
      'after',
      '\nMASTER_API_KEY holds the admin key; DATABASE_DSN the database, unless database.type is embedded.' +
        '\nThe flags of ffmpeg-rtmp (-port 8080 -db-type postgres …) are understood: docs/ffmpeg-rtmp-settings.md.',
    )
    .action(async (flags: Flags) => serve(flags));
}

/** The flags of ffmpeg-rtmp's master (docs/ffmpeg-rtmp-settings.md). */
export function translate(argv: readonly string[]): readonly string[] {
  return translateOldStart(argv, process.env);
}

async function serve(flags: Flags): Promise<void> {
  const stop = untilToldToStop();
  const settings = masterSettings(
    {
      configFile: flags.config,
      overrides: overridesFrom(flags),
      defaults: Object.fromEntries((flags.unlessSet ?? []).map(settingArgument)),
    },
    (note) => process.stderr.write(`ffmpeg-master: ${note}\n`),
  );
  if (settings.master_api_key === undefined) {
    throw new Misuse(
      'set MASTER_API_KEY to a key of 16 characters or more, such as the output of `openssl rand -base64 32`; without one nobody could use this master',
    );
  }
  // Nest takes a while to load, PostgreSQL to start: both at once.
  const [{ startMaster }, server] = await Promise.all([
    import('../api/start-master.js'),
    databaseFor(settings),
  ]);
  try {
    const starting = startMaster(settings);
    const master = await Promise.race([starting, stop.then(() => undefined)]);
    if (master !== undefined) reportReady();
    await stop;
    // Told to stop in the middle of its start, it has nothing yet that must be finished.
    await (master?.stop() ?? Promise.race([starting.then((late) => late.stop()), delay(GIVE_UP_START_MS)]));
  } catch (error) {
    throw withMend(error);
  } finally {
    await server?.leave();
  }
  // A handle that somebody forgot must not keep a stopped master alive.
  process.exit(0);
}

function overridesFrom(flags: Flags): Record<string, string | boolean | undefined> {
  return {
    'api.host': flags.host,
    'api.port': flags.port,
    'metrics.port': flags.metricsPort,
    'api.tls_enabled': flags.tls,
    'database.data_dir': flags.dataDir,
    'logging.level': flags.logLevel,
    'logging.format': flags.logFormat,
    ...Object.fromEntries((flags.set ?? []).map(settingArgument)),
  };
}

async function databaseFor({ database }: Settings): Promise<EmbeddedServer | undefined> {
  if (database.type !== 'embedded') return undefined;
  const server = await joinEmbeddedServer(database.data_dir);
  database.dsn = server.dsn;
  database.direct_dsn = server.dsn;
  database.migrate_dsn = server.dsn;
  return server;
}

function withMend(error: unknown): unknown {
  const { code, port } = error as { code?: string; port?: number };
  if (code === 'EADDRINUSE') {
    return new Failure(
      `port ${port ?? ''} is taken by another program; choose another one with --port or --metrics-port`,
    );
  }
  if (code === 'EACCES' && port !== undefined) {
    return new Failure(
      `this user may not open port ${port}; choose one above 1023 with --port or --metrics-port`,
    );
  }
  return error;
}
