/**
 * How long an output must last, at the least, to be whole. Frame rates and audio frames move its end by
 * parts of a second, never by a share of a film: 2 % of two hours would let 144 s go missing. Where the
 * input only lets ffprobe estimate how long it is (from its size and bit rate), a share is all there is.
 */

import type { ResultStream } from '../protocol/report.js';
import type { Media } from './media-probe.js';

export interface ExpectedLength {
  /** Of the streams that are transcoded, in seconds. */
  seconds: number;
  /** An output shorter than this lacks a part. */
  leastSeconds: number;
}

/** An input without a known length expects none. `asked`: seconds that the job wants of it. */
export function expectedLength(media: Media, asked: number | undefined): ExpectedLength | undefined {
  const { seconds, exact } = lengthOf(media);
  if (seconds === undefined) return undefined;
  const wanted = Math.min(asked ?? Infinity, seconds);
  return { seconds: wanted, leastSeconds: wanted - slack(wanted, exact) };
}

/** What ffmpeg generates by itself is exactly as long as it was asked for. */
export function generatedLength(seconds: number): ExpectedLength {
  return { seconds, leastSeconds: seconds - slack(seconds, true) };
}

/** One and a half seconds: one picture of a slide show at one a second, and the last frame of audio. */
const MOST_SLACK_SECONDS = 1.5;

function slack(seconds: number, exact: boolean): number {
  const share = seconds * 0.02;
  return Math.max(0.5, exact ? Math.min(share, MOST_SLACK_SECONDS) : share);
}

/** Their index says how long they are. Recorded MPEG-TS and FLV may jump in time or carry a stale figure. */
const EXACT_FORMATS = new Set(['mov', 'matroska', 'avi', 'ogg', 'asf', 'mxf', 'nut']);

/**
 * The transcoded streams say it best, for a subtitle or a second audio track may outlast the film; the
 * length of the file is theirs too where it holds no others.
 */
function lengthOf({ format, durationSeconds, streams }: Media): { seconds?: number; exact: boolean } {
  const transcoded = [firstOf('video', streams), firstOf('audio', streams)].filter(
    (stream) => stream !== undefined,
  );
  const known = transcoded.flatMap(({ duration_seconds: seconds }) => (seconds ? [seconds] : []));
  if (EXACT_FORMATS.has(format) && known.length > 0 && known.length === transcoded.length) {
    return { seconds: Math.min(durationSeconds ?? Infinity, Math.max(...known)), exact: true };
  }
  return {
    ...(durationSeconds !== undefined && { seconds: durationSeconds }),
    exact: EXACT_FORMATS.has(format) && streams.length === transcoded.length,
  };
}

function firstOf(type: string, streams: readonly ResultStream[]): ResultStream | undefined {
  return streams.find((stream) => stream.type === type);
}
