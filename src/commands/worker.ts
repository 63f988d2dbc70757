/** `worker`: the ffmpeg worker, until it is told to stop. */
import type { Command } from 'commander';
import { loadSettings } from '../config/load-settings.js';
import { createLogger } from '../logging/logger.js';
import { MetricsServer } from '../metrics/metrics-server.js';
import type { WorkerOptions } from '../worker/worker-options.js';
import { Worker } from '../worker/worker.js';
import { Misuse } from './failures.js';
import { reportReady, untilToldToStop } from './process-life.js';
import { addTlsFlags } from './rest/client-flags.js';
import { resolveConnection } from './rest/connection.js';
import type { TlsFlags } from './rest/tls-files.js';
import { labelArgument, several } from './terminal/arguments.js';

interface Flags extends TlsFlags {
  readonly config?: string;
  readonly master?: string;
  readonly keyFile?: string;
  readonly name?: string;
  readonly slots?: string;
  readonly queue?: string[];
  readonly outputDir?: string;
  readonly workDir?: string;
  readonly inputRoot?: string[];
  readonly rtmpHost?: string[];
  readonly label?: Record<string, string>;
  readonly ffmpegPath?: string;
  readonly metricsPort?: string;
  readonly metricsHost?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

export function define(command: Command): void {
  addTlsFlags(
    command
      .option('--config <file>', 'settings in YAML')
      .option('--master <urls>', 'where the masters are, comma separated (MASTER_URL)')
      .option('--key-file <file>', 'a file that holds the API key (else MASTER_API_KEY)'),
  )
    .option('--name <name>', "default: this host's name")
    .option('--slots <n>', 'jobs at once (worker.slots; default: one for every four cores)')
    .option('--queue <name>', 'serve this queue only; may be given several times', several)
    .option('--output-dir <dir>', 'where results appear (worker.output_dir)')
    .option('--work-dir <dir>', 'worker.work_dir')
    .option('--input-root <dir>', 'a folder that jobs may read; may be given several times', several)
    .option(
      '--rtmp-host <host>',
      'a host, host:port or address that jobs may stream to; may be given several times',
      several,
    )
    .option('--label <key=value>', 'may be given several times', labelArgument)
    .option('--ffmpeg-path <file>', 'worker.ffmpeg_path')
    .option('--metrics-port <n>', 'worker.metrics_port')
    .option('--metrics-host <address>', 'where the metrics port listens; default: all addresses')
    .option('--log-level <level>', 'logging.level')
    .option('--log-format <form>', 'logging.format')
    .action(async (flags: Flags) => work(flags));
}

async function work(flags: Flags): Promise<void> {
  const stop = untilToldToStop();
  const {
    worker: settings,
    workers,
    logging,
  } = loadSettings({
    configFile: flags.config,
    env: withoutDatabase(process.env),
    overrides: {
      'worker.slots': flags.slots,
      'worker.output_dir': flags.outputDir,
      'worker.work_dir': flags.workDir,
      'worker.ffmpeg_path': flags.ffmpegPath,
      'worker.metrics_port': flags.metricsPort,
      'logging.level': flags.logLevel,
      'logging.format': flags.logFormat,
    },
  });
  const { masters, key, tls } = resolveConnection(flags);
  if (key === undefined) {
    throw new Misuse(
      'set MASTER_API_KEY, or name a file that holds the key with --key-file: masters know no worker without one',
    );
  }
  const worker = new Worker({
    masters,
    apiKey: key,
    outputDir: settings.output_dir,
    workDir: settings.work_dir,
    // Folders may hold commas, which a list in one text could not.
    inputRoots: flags.inputRoot ?? settings.input_roots,
    rtmpHosts: flags.rtmpHost ?? settings.rtmp_hosts,
    outageGraceMs: workers.outage_grace,
    logger: createLogger(logging),
    serveMetrics: metricsOn(settings.metrics_port, flags.metricsHost),
    ...(tls !== undefined && { tls }),
    ...(settings.slots !== undefined && { slots: settings.slots }),
    ...(flags.name !== undefined && { name: flags.name }),
    ...(flags.queue !== undefined && { queues: flags.queue }),
    ...(flags.label !== undefined && { labels: flags.label }),
    ...(settings.ffmpeg_path !== undefined && { ffmpegPath: settings.ffmpeg_path }),
  });
  try {
    // A signal during the start counts: registration waits for a master for ever.
    await Promise.race([worker.start().then(reportReady), stop]);
    await stop;
  } finally {
    await worker.stop();
  }
  process.exit(0);
}

function metricsOn(port: number, host: string | undefined): NonNullable<WorkerOptions['serveMetrics']> {
  return async (registry) => {
    const server = new MetricsServer({
      registry,
      port,
      health: () => ({ status: 'healthy' }),
      setting: 'worker.metrics_port',
      ...(host !== undefined && { host }),
    });
    await server.start();
    return { close: () => server.stop() };
  };
}

/** A worker speaks to no database; settings of one on the same machine are none of its business. */
function withoutDatabase(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('DATABASE_')));
}
