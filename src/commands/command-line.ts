/** Runs one command of the binary: loads that one alone, and turns its end into an exit status. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { explain, type ExitStatus } from './failures.js';

export interface CommandFile {
  /** Adds arguments, flags and the action. The action throws what `explain` understands. */
  define(command: Command): void;
  /** Arguments of another program's, in words of this one's; they stand behind the name of the command. */
  readonly translate?: (argv: readonly string[]) => readonly string[];
}

export interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<CommandFile>;
}

/** @param argv what stands behind the name of the binary */
export async function runCommandLine(
  entries: Readonly<Record<string, CommandEntry>>,
  argv: readonly string[],
): Promise<ExitStatus> {
  endQuietlyWithTheReader();
  try {
    const { program, translate } = await programFor(entries, argv);
    const [name, ...rest] = argv;
    const given = name === undefined ? [] : [name, ...(translate?.(rest) ?? rest)];
    await program.parseAsync(given, { from: 'user' });
    return 0;
  } catch (error) {
    const { line, status } = explain(error);
    if (line !== undefined) process.stderr.write(`ffmpeg-master: ${line}\n`);
    return status;
  }
}

/** Other commands are known by name only: what `jobs list` does not need, it does not wait for. */
async function programFor(
  entries: Readonly<Record<string, CommandEntry>>,
  argv: readonly string[],
): Promise<{ program: Command; translate?: CommandFile['translate'] }> {
  const program = new Command('ffmpeg-master')
    .description('A highly available job scheduler for fleets of ffmpeg workers.')
    .version(version(), '-V, --version')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'ffmpeg-master:')) })
    .helpCommand(true)
    .exitOverride();
  const wanted = argv[0] === 'help' ? argv[1] : argv[0];
  let file: CommandFile | undefined;
  for (const [name, { summary, load }] of Object.entries(entries)) {
    const command = program.command(name).description(summary);
    if (name === wanted) (file = await load()).define(command);
  }
  return { program, translate: argv[0] === wanted ? file?.translate : undefined };
}

export function version(): string {
  const require = createRequire(import.meta.url);
  return (require('../../package.json') as { version: string }).version;
}

/** `… | head` closes the pipe: that is no error of ours. */
function endQuietlyWithTheReader(): void {
  process.stdout.off('error', onBrokenPipe).on('error', onBrokenPipe);
}

function onBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}
