/** Reads what `ffmpeg -progress` writes: blocks of `key=value` lines, each ended by `progress=…`. */

export interface FfmpegProgress {
  frame: number;
  /** Frames encoded per second; absent until ffmpeg knows. */
  fps?: number;
  /** Media seconds per second; absent until ffmpeg knows. */
  speed?: number;
  /** Media written so far. */
  seconds: number;
  totalBytes: number;
  ended: boolean;
}

export class ProgressParser {
  private rest = '';
  private block = new Map<string, string>();

  /** The blocks that this piece completes; pieces may break anywhere. */
  push(piece: string): FfmpegProgress[] {
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop() ?? '';
    const complete: FfmpegProgress[] = [];
    for (const line of lines) {
      const equals = line.indexOf('=');
      if (equals < 0) continue;
      const key = line.slice(0, equals).trim();
      this.block.set(key, line.slice(equals + 1).trim());
      if (key !== 'progress') continue;
      complete.push(read(this.block));
      this.block = new Map();
    }
    return complete;
  }
}

/** 0 to 100; undefined where the length is unknown. A run that has not ended is never said to be done. */
export function percentDone(
  progress: FfmpegProgress,
  durationSeconds: number | undefined,
): number | undefined {
  if (progress.ended) return 100;
  if (durationSeconds === undefined || durationSeconds <= 0) return undefined;
  return Math.min(99, Math.round((progress.seconds / durationSeconds) * 1000) / 10);
}

function read(block: Map<string, string>): FfmpegProgress {
  const fps = positive(block.get('fps'));
  const speed = positive(block.get('speed')?.replace(/x$/, ''));
  return {
    frame: positive(block.get('frame')) ?? 0,
    ...(fps !== undefined && { fps }),
    ...(speed !== undefined && { speed }),
    seconds: clockSeconds(block.get('out_time')),
    totalBytes: positive(block.get('total_size')) ?? 0,
    ended: block.get('progress') === 'end',
  };
}

/** `N/A` and 0.00, which ffmpeg writes before it knows, say nothing. */
function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

/**
 * `00:01:02.500000`. The field out_time_ms holds microseconds in some releases and milliseconds in
 * others; before the first frame the clock may be negative or N/A.
 */
function clockSeconds(text: string | undefined): number {
  const [, hours, minutes, seconds] = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text ?? '') ?? [];
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
}
