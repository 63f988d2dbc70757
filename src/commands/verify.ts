/** `verify`: holds the live database against the promises of docs/test-plan.md. */
import { type Command, Option } from 'commander';
import { isMissingSchema } from '../database/sql-errors.js';
import { Failure } from './failures.js';
import { withDirectSession } from './direct-session.js';
import { masterSettings } from './master-settings.js';
import { durationArgument, wholeNumber } from './terminal/arguments.js';
import { paint } from './terminal/paint.js';
import { renderTable } from './terminal/table.js';
import { verifyDatabase, type Finding } from './verify/verify-database.js';

interface Flags {
  readonly config?: string;
  readonly dataDir?: string;
  readonly since: number;
  readonly limit: number;
  readonly output: string;
}

export function define(command: Command): void {
  command
    .option('--config <file>', 'settings in YAML')
    .option('--data-dir <dir>', 'database.data_dir')
    .addOption(
      new Option('--since <duration>', 'how far back to read events, such as 6h or 30d')
        .argParser(durationArgument)
        .default(86_400_000, '1d'),
    )
    .option('--limit <n>', 'most violations to print of each invariant', wholeNumber(1, 10_000), 20)
    .option('--output <form>', 'table or json', 'table')
    .action(async (flags: Flags) => verify(flags));
}

async function verify(flags: Flags): Promise<void> {
  const settings = masterSettings({
    configFile: flags.config,
    overrides: { 'database.data_dir': flags.dataDir },
  });
  const findings = await withDirectSession(settings, { purpose: 'verify', readOnly: true }, (session) =>
    verifyDatabase(session, { sinceSeconds: flags.since / 1000, limit: flags.limit }),
  ).catch((error: unknown) => {
    if (!isMissingSchema(error)) throw error;
    throw new Failure('this database has no schema of ffmpeg-master yet; run `ffmpeg-master migrate up`');
  });
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify({ invariants: findings }, null, 2)}\n`);
  else tell(findings);
  const broken = findings.filter(({ violations }) => violations.length > 0);
  if (broken.length === 0) return;
  throw new Failure(
    `${broken.map(({ id }) => id).join(', ')} ${broken.length === 1 ? 'does' : 'do'} not hold; keep the database as it is and report what is printed above`,
  );
}

function tell(findings: readonly Finding[]): void {
  for (const { id, promise, violations } of findings) {
    const verdict = violations.length === 0 ? paint('green', 'holds ') : paint('red', 'BROKEN');
    process.stdout.write(`${id.padEnd(4)} ${verdict}  ${promise}\n`);
  }
  const rows = findings.flatMap(({ id, violations }) =>
    violations.map((violation) => ({ id, ...violation })),
  );
  if (rows.length === 0) return;
  process.stdout.write('\n');
  process.stdout.write(
    renderTable(
      [
        { title: 'ID', value: (row: (typeof rows)[number]) => row.id },
        { title: 'WHERE', value: (row) => row.subject },
        { title: 'WHAT', value: (row) => row.detail, narrow: 'wrap' },
      ],
      rows,
    ) + '\n',
  );
}
