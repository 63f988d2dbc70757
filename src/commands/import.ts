/** `import`: brings nodes and jobs over from a database of ffmpeg-rtmp, which it only reads. */
import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import { isMissingSchema } from '../database/sql-errors.js';
import { type ImportOutcome, importDatabase } from '../ffrtmp/import/import-database.js';
import type { Finding } from '../ffrtmp/import/findings.js';
import type { ImportSource } from '../ffrtmp/import/import-source.js';
import { checkTimeZone } from '../ffrtmp/import/source-time.js';
import { withDirectSession } from './direct-session.js';
import { Failure, Misuse } from './failures.js';
import { masterSettings } from './master-settings.js';
import { importBar } from './terminal/import-bar.js';

interface Flags {
  readonly from: Source;
  readonly timezone: string;
  readonly dryRun?: boolean;
  readonly report: string;
  readonly config?: string;
  readonly dataDir?: string;
}

interface Source {
  open(): Promise<ImportSource>;
}

export function define(command: Command): void {
  command
    .requiredOption(
      '--from <source>',
      'sqlite:master.db, or postgresql://user:password@host/database',
      sourceArgument,
    )
    .option('--timezone <zone>', 'of times that name none, such as Europe/Berlin', zoneArgument, 'UTC')
    .option('--dry-run', 'say what would be imported and what would not fit; writes nothing')
    .option(
      '--report <file>',
      'where everything stands that could not come over as it was',
      'import-report.jsonl',
    )
    .option('--config <file>', 'settings in YAML')
    .option('--data-dir <dir>', 'database.data_dir')
    .action(async (flags: Flags) => run(flags));
}

async function run(flags: Flags): Promise<void> {
  const settings = masterSettings({
    configFile: flags.config,
    overrides: { 'database.data_dir': flags.dataDir },
  });
  // What is copied is removed at the exit, which a signal alone is not.
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));
  const report = new Report(flags.report);
  const source = await flags.from.open();
  const bar = importBar(process.stderr);
  const dryRun = flags.dryRun === true;
  try {
    const outcome = await withDirectSession(settings, { purpose: 'import', readOnly: dryRun }, (session) =>
      withDirectSession(settings, { purpose: 'import-compare', readOnly: true }, (comparing) =>
        importDatabase(source, session, comparing, {
          zone: flags.timezone,
          maxRetries: settings.retry.max_retries,
          dryRun,
          tell: (finding) => report.add(finding),
          onProgress: bar.show,
        }),
      ),
    ).catch((error: unknown) => {
      if (!isMissingSchema(error)) throw error;
      throw new Failure('the database lacks a table that the import needs; run `ffmpeg-master migrate up`');
    });
    bar.stop();
    say(source.name, outcome, dryRun);
  } finally {
    bar.stop();
    await source.close();
    await report.close();
    for (const line of report.summary()) process.stdout.write(`${line}\n`);
    if (report.isIncomplete) process.exitCode = 1;
  }
}

function say(name: string, { nodes, jobs, tenants, comparison }: ImportOutcome, dryRun: boolean): void {
  const done = dryRun ? 'would be imported' : 'imported';
  const line = (what: string, { read, imported, present }: ImportOutcome['tenants']): void =>
    void process.stdout.write(`${what.padEnd(9)}${read} read, ${imported} ${done}, ${present} were there\n`);
  process.stdout.write(`from ${name}${dryRun ? ' (dry run: nothing was written)' : ''}\n`);
  line('nodes', nodes);
  line('jobs', jobs);
  line('tenants', tenants);
  if (jobs.renumbered > 0)
    process.stdout.write(`${jobs.renumbered} jobs ${dryRun ? 'would get' : 'got'} a new number\n`);
  if (comparison === undefined) return;
  const { compared, missing, differing, moved_on, read_digest, kept_digest } = comparison;
  process.stdout.write(
    `compared ${compared} jobs: digest of what was read ${read_digest}, of what is kept ${kept_digest}; ` +
      `${differing} differ, ${missing} are missing${moved_on > 0 ? `, ${moved_on} have gone on since` : ''}\n`,
  );
  if (missing + differing + nodes.differing > 0)
    throw new Failure('what is kept is not what was read; see the report, and run the import again');
  if (jobs.refused + nodes.refused > 0)
    throw new Failure(
      `${jobs.refused} jobs and ${nodes.refused} nodes were refused by the database; the report says why`,
    );
}

const EXAMPLES = 3;

/** All findings in a file, a line of JSON each; the kinds of them on the screen. */
class Report {
  private readonly kinds = new Map<string, { count: number; examples: string[] }>();
  private readonly stream: WriteStream;
  private failure: Error | undefined;

  /** Opened first: an import whose report cannot be kept is not begun, and one of before is no report of this. */
  constructor(private readonly file: string) {
    try {
      // Parameters may hold stream keys.
      this.stream = createWriteStream(file, { fd: openSync(file, 'w', 0o600) });
    } catch (error) {
      throw new Failure(
        `the report ${file} cannot be written (${(error as NodeJS.ErrnoException).code}); name another file with --report`,
      );
    }
    this.stream.on('error', (error) => (this.failure = error));
  }

  add(finding: Finding): void {
    const kind = `${finding.what}${finding.column === undefined ? '' : `.${finding.column}`} ${general(finding.problem)}`;
    const known = this.kinds.get(kind) ?? { count: 0, examples: [] };
    this.kinds.set(kind, known);
    known.count += 1;
    if (known.examples.length < EXAMPLES) known.examples.push(finding.id);
    this.stream.write(`${JSON.stringify(finding)}\n`);
  }

  async close(): Promise<void> {
    if (this.failure !== undefined) return;
    this.stream.end();
    await once(this.stream, 'close').catch((error: Error) => (this.failure = error));
  }

  /** The disk ran full, or the like. */
  get isIncomplete(): boolean {
    return this.failure !== undefined;
  }

  summary(): string[] {
    if (this.kinds.size === 0) return [];
    const where =
      this.failure === undefined
        ? `all of them in ${this.file}`
        : `the report could not be written: ${this.failure.message}`;
    return [
      `not as it was (${where}):`,
      ...[...this.kinds].map(
        ([kind, { count, examples }]) =>
          `  ${count} × ${kind}: ${examples.join(', ')}${count > EXAMPLES ? ', …' : ''}`,
      ),
    ];
  }
}

/** Without what differs from row to row. */
function general(problem: string): string {
  return problem
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replace(/has \d+ /, 'has so many ')
    .replace(/it got \d+$/, 'it got a new one')
    .replace(/(it arrived as|after its address:) \S+$/, '$1 another');
}

/** Opened later: reading a database of SQLite loads a library that no other command needs. */
function sourceArgument(text: string): Source {
  if (text.startsWith('sqlite:') && text.length > 'sqlite:'.length) {
    const file = text.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '');
    return { open: async () => (await import('../ffrtmp/import/sqlite-source.js')).openSqliteSource(file) };
  }
  if (/^postgres(ql)?:\/\//.test(text)) {
    return {
      open: async () => (await import('../ffrtmp/import/postgres-source.js')).openPostgresSource(text),
    };
  }
  // Commander would repeat what was given, which may hold a password.
  throw new Misuse('--from must be sqlite:FILE or postgresql://user:password@host:port/database');
}

function zoneArgument(text: string): string {
  try {
    return checkTimeZone(text);
  } catch {
    throw new InvalidArgumentError('Give a name such as Europe/Berlin, America/New_York or UTC.');
  }
}
