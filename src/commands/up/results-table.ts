/** What became of each file, as a table. */
import { join, relative } from 'node:path';
import { formatSeconds, formatSize } from '../terminal/figures.js';
import { renderTable } from '../terminal/table.js';
import type { Outcome } from './transcode.js';

export function resultsTable(outcomes: readonly Outcome[], outputDir: string): string {
  return renderTable(
    [
      { title: 'FILE', value: ({ clip }: Outcome) => clip.file, narrow: 'cut' },
      { title: 'STATUS', value: statusOf },
      { title: 'CODEC', value: ({ job }) => videoOf(job)?.codec },
      { title: 'SIZE', value: ({ job }) => formatSize(job?.result?.size_bytes), align: 'right' },
      { title: 'DURATION', value: ({ job }) => formatSeconds(job?.result?.duration_seconds), align: 'right' },
      { title: 'SPEED', value: speedOf, align: 'right' },
      {
        title: 'RESULT',
        value: (outcome) => outcome.failure ?? shownPath(outcome, outputDir),
        narrow: 'wrap',
      },
    ],
    outcomes,
  );
}

/** The same figures in one sentence. */
export function resultLine(outcome: Outcome, outputDir: string): string {
  if (outcome.failure !== undefined) return `${outcome.clip.file} ${statusOf(outcome)}: ${outcome.failure}`;
  const { result } = outcome.job ?? {};
  const video = videoOf(outcome.job);
  const size = video?.width === undefined ? '' : ` ${video.width}x${video.height}`;
  const figures = [
    `${video?.codec ?? ''}${size}`,
    formatSeconds(result?.duration_seconds),
    formatSize(result?.size_bytes),
  ];
  const speed = speedOf(outcome);
  return `${shownPath(outcome, outputDir)}  ${figures.join(', ')}${speed === '' ? '' : `, made at ${speed}`}`;
}

function statusOf({ job, failure }: Outcome): string {
  return failure === undefined
    ? 'completed'
    : job === undefined || job.status === 'completed'
      ? 'failed'
      : job.status;
}

function videoOf(job: Outcome['job']) {
  return job?.result?.streams?.find(({ type }) => type === 'video');
}

/** Media seconds a second: ffmpeg's own figure. */
function speedOf({ job }: Outcome): string {
  const speed = job?.result?.metrics?.['speed'];
  return typeof speed === 'number' ? `${speed >= 10 ? Math.round(speed) : speed.toFixed(1)}x` : '';
}

function shownPath({ clip, job }: Outcome, outputDir: string): string {
  const path = join(outputDir, job?.result?.output ?? clip.output);
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
