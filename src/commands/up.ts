/**
 * `up`: a whole cluster on this machine, for a first try and for small needs.
 *
 *     up ── embedded PostgreSQL (outlives a killed `up`; the next one attaches)
 *      ├── master 1..N   `serve`, started again when one dies
 *      └── worker 1..N   `worker`, likewise
 *
 * Ctrl-C stops workers, masters and PostgreSQL, in that order. When `up` itself is killed, masters and
 * workers notice by the channel to it and end. `--once` does the same for as long as some files take.
 */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { loadSettings } from '../config/load-settings.js';
import { makeReachable, serverAccount } from '../database/embedded/server-account.js';
import { defaultSlots } from '../worker/slots.js';
import { Failure, Misuse } from './failures.js';
import { untilToldToStop } from './process-life.js';
import { readClusterNote, removeClusterNote, writeClusterNote } from './rest/local-cluster-note.js';
import { RestClient } from './rest/rest-client.js';
import { wholeNumber } from './terminal/arguments.js';
import { clusterKey } from './up/api-key.js';
import { type Clip, clipsOf, GENERATED_CLIP, inputRoots } from './up/clips.js';
import { LocalCluster } from './up/local-cluster.js';
import {
  DEFAULT_PORT,
  HIGHEST_PORT,
  MOST_MASTERS,
  MOST_WORKERS,
  portsFrom,
  refuseTakenPorts,
} from './up/ports.js';
import { resultLine, resultsTable } from './up/results-table.js';
import { type Outcome, transcode } from './up/transcode.js';
import { welcome } from './up/welcome.js';

interface Flags {
  readonly masters: number;
  readonly workers: number;
  readonly port: number;
  readonly dataDir?: string;
  readonly outputDir?: string;
  readonly once?: boolean;
}

export function define(command: Command): void {
  command
    .argument('[file...]', 'with --once: what to transcode; without any, a generated clip')
    .option('--masters <n>', 'how many', wholeNumber(1, MOST_MASTERS), 3)
    .option('--workers <n>', 'how many', wholeNumber(1, MOST_WORKERS), 2)
    .option('--data-dir <dir>', "where all state lies (default: this user's state folder)")
    .option(
      '--port <n>',
      'port of the first master; all others move with it (metrics: 1010 above, workers: 1111 above)',
      wholeNumber(1, HIGHEST_PORT),
      DEFAULT_PORT,
    )
    .option(
      '--output-dir <dir>',
      'where results appear (default: ./output with --once, else below the data directory)',
    )
    .option('--once', 'transcode the files, print the results and exit')
    .action(async (files: string[], flags: Flags) => up(files, flags));
}

async function up(files: readonly string[], flags: Flags): Promise<void> {
  if (files.length > 0 && !flags.once)
    throw new Misuse(`files are transcoded with --once: up --once ${files.join(' ')}`);
  const stop = untilToldToStop();
  const settings = loadSettings({
    env: withoutServers(process.env),
    overrides: { 'database.data_dir': flags.dataDir },
  });
  const dataDir = resolve(settings.database.data_dir);
  refuseSecond(dataDir);
  const ports = portsFrom(flags.port, flags.masters, flags.workers);
  await refuseTakenPorts(ports);
  await makeReachable(dataDir, await serverAccount());
  const outputDir = resolve(flags.outputDir ?? (flags.once ? 'output' : join(dataDir, 'output')));
  const { key, file: keyFile } = await clusterKey(dataDir, settings.master_api_key);
  const clips = files.length > 0 ? await clipsOf(files, outputDir) : [GENERATED_CLIP];

  const tellsTimes = ['debug', 'trace'].includes(settings.logging.level);
  const timing = (message: string): void => void (tellsTimes && process.stderr.write(`debug: ${message}\n`));
  const cluster = new LocalCluster({
    dataDir,
    outputDir,
    ports,
    key,
    inputRoots: inputRoots(clips),
    slots: defaultSlots(flags.workers),
    notice: (message) => process.stderr.write(`${message}\n`),
    timing,
  });
  // A second Ctrl-C, or a crash of ours: nobody would wait for the others.
  process.once('exit', () => cluster.kill());

  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  say(`Starting PostgreSQL, ${count(flags.masters, 'master')} and ${count(flags.workers, 'worker')} …`);
  const client = new RestClient({ masters: cluster.masters, key });
  const interruption = new AbortController();
  void stop.then((reason) => interruption.abort(new Interrupted(reason)));
  let outcomes: Outcome[] = [];
  try {
    const { whole } = await orInterrupted(cluster.start(), interruption.signal);
    await writeClusterNote(dataDir, {
      pid: process.pid,
      masters: [...cluster.masters],
      data_dir: dataDir,
      ...(keyFile !== undefined && { key_file: keyFile }),
    });
    // Counted from the start of this process, the loading of the program included.
    const onClaimed = (): void =>
      timing(`first job claimed ${(performance.now() / 1000).toFixed(2)} s after the start`);
    const work = transcode(client, clips, { outputDir, signal: interruption.signal, onClaimed });
    // Either can fail first: a process that cannot start, or a job that cannot be submitted.
    [outcomes] = await orInterrupted(Promise.all([work, whole]), interruption.signal);
    if (flags.once) say(`\n${resultsTable(outcomes, outputDir)}`);
    else {
      for (const outcome of outcomes) say(`\n  ${resultLine(outcome, outputDir)}`);
      say(
        welcome({
          masters: cluster.masters,
          ports,
          outputDir,
          logDir: cluster.logDir,
          dataDir,
          key,
          keyFile,
        }),
      );
      await stop;
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    if (!flags.once && interruption.signal.aborted) say('\nStopping workers, masters and PostgreSQL …');
    await client.close();
    removeClusterNote(dataDir);
    await cluster.stop({ leaveDatabase: flags.once === true });
  }
  process.exitCode = 0;
  if (flags.once) refuseFailures(outcomes, clips);
}

class Interrupted extends Error {}

function orInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  return Promise.race([
    work,
    new Promise<never>((_, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
    }),
  ]);
}

/** `up` brings its own database: settings for another one are for `serve`. */
function withoutServers(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const others = ['DATABASE_DSN', 'DATABASE_DIRECT_DSN', 'DATABASE_MIGRATE_DSN', 'DATABASE_REPLICA_DSN'];
  return {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => !others.includes(name))),
    DATABASE_TYPE: 'embedded',
  };
}

function refuseSecond(dataDir: string): void {
  const running = readClusterNote(dataDir);
  if (running === undefined || (running.data_dir ?? dataDir) !== dataDir) return;
  throw new Failure(
    `a cluster already runs on ${dataDir} (process ${running.pid}): use it with \`ffmpeg-master jobs\`, stop it with Ctrl-C, or start another one with --data-dir and --port`,
  );
}

function refuseFailures(outcomes: readonly Outcome[], clips: readonly Clip[]): void {
  if (outcomes.length < clips.length) throw new Failure('stopped before all files were done');
  const failed = outcomes.filter(({ failure }) => failure !== undefined).length;
  if (failed > 0)
    throw new Failure(`${failed} of ${count(clips.length, 'file')} failed; the reasons stand in the table`);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
