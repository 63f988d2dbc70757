/**
 * The progress of jobs as a person sees it: a bar each on a terminal, one bar for all where they would
 * not fit its height, and a line a change where there is no terminal.
 */
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Job } from '../../protocol/job.js';
import { isTerminal } from '../../protocol/job-status.js';

export interface ProgressBoard {
  show(job: Job): void;
  /** Leaves what is drawn and gives the cursor back. */
  stop(): void;
}

export interface BoardOptions {
  /** How many jobs there will be. */
  readonly jobs: number;
  readonly label: (job: Job) => string;
  readonly stream?: NodeJS.WriteStream;
}

export function progressBoard({ jobs, label, stream = process.stdout }: BoardOptions): ProgressBoard {
  if (!stream.isTTY) return lines(label, stream);
  return jobs <= (stream.rows ?? 24) - 4 ? barEach(label, stream) : oneBar(jobs, stream);
}

/** `waits: requirement`, the longest. */
const STATE_WIDTH = 18;
const LABEL_WIDTH = 26;
const BAR_WIDTH = 28;
/** Percentage and gaps. */
const REST_WIDTH = 8;

/** Below 80 columns the bar gives way, then the label: the end of a line that does not fit is not seen. */
function widthsFor(columns: number): { label: number; bar: number } {
  const free = columns - STATE_WIDTH - REST_WIDTH;
  const label = Math.max(10, Math.min(LABEL_WIDTH, Math.floor(free / 2)));
  return { label, bar: Math.max(4, Math.min(BAR_WIDTH, free - label)) };
}

function barEach(label: (job: Job) => string, stream: NodeJS.WriteStream): ProgressBoard {
  const widths = widthsFor(stream.columns ?? 80);
  const board = multiBar('{label} {bar} {percentage}% {state}', stream, widths.bar);
  const bars = new Map<string, SingleBar>();
  return {
    show(job) {
      const values = { label: fixed(label(job), widths.label), state: fixed(stateOf(job), STATE_WIDTH) };
      const bar = bars.get(job.id) ?? board.create(100, 0, values);
      bars.set(job.id, bar);
      bar.update(Math.floor(job.status === 'completed' ? 100 : job.progress), values);
    },
    stop: () => board.stop(),
  };
}

function oneBar(jobs: number, stream: NodeJS.WriteStream): ProgressBoard {
  const board = multiBar(`{bar} {done} of ${jobs} done, {failed} failed`, stream, BAR_WIDTH);
  const bar = board.create(jobs * 100, 0, { done: 0, failed: 0 });
  const seen = new Map<string, Job>();
  return {
    show(job) {
      seen.set(job.id, job);
      const all = [...seen.values()];
      const done = all.filter(({ status }) => isTerminal(status)).length;
      const failed = all.filter(({ status }) => isTerminal(status) && status !== 'completed').length;
      bar.update(
        Math.floor(all.reduce((sum, each) => sum + (isTerminal(each.status) ? 100 : each.progress), 0)),
        { done, failed },
      );
    },
    stop: () => board.stop(),
  };
}

/** A change of state and each quarter of the way: a log of a long job stays short. */
function lines(label: (job: Job) => string, stream: NodeJS.WriteStream): ProgressBoard {
  const told = new Map<string, string>();
  return {
    show(job) {
      const quarter = job.status === 'running' ? Math.floor(job.progress / 25) * 25 : 0;
      const line = `${label(job)}  ${stateOf(job)}${quarter > 0 ? ` ${quarter}%` : ''}`;
      if (told.get(job.id) === line) return;
      told.set(job.id, line);
      stream.write(`${line}\n`);
    },
    stop: () => undefined,
  };
}

function multiBar(format: string, stream: NodeJS.WriteStream, barsize: number): MultiBar {
  return new MultiBar(
    {
      format,
      stream,
      barsize,
      hideCursor: true,
      fps: 10,
      emptyOnZero: true,
      gracefulExit: false,
      autopadding: true,
    },
    Presets.shades_classic,
  );
}

function stateOf(job: Job): string {
  if (job.paused) return 'paused';
  return job.status === 'queued' && job.waiting_for !== null ? `waits: ${job.waiting_for}` : job.status;
}

function fixed(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}
