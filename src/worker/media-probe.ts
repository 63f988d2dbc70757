/** What ffprobe says of a file. */

import type { ResultStream } from '../protocol/report.js';
import { SELF_CONTAINED_FORMATS } from './ffmpeg-command.js';
import { runProgram } from './run-program.js';

export interface Media {
  /** ffmpeg's name of the demuxer, the first where it has several. */
  format: string;
  /** Undefined where the file does not say. */
  durationSeconds?: number;
  streams: ResultStream[];
}

/** `media`, or the last line that ffprobe complained with. */
export type Probe = { media: Media } | { complaint: string };

interface RawProbe {
  format?: { format_name?: string; duration?: string };
  streams?: {
    codec_type?: string;
    codec_name?: string;
    width?: number;
    height?: number;
    avg_frame_rate?: string;
    bit_rate?: string;
    sample_rate?: string;
    channels?: number;
    duration?: string;
    disposition?: { attached_pic?: number };
    tags?: Record<string, string>;
  }[];
}

/** A minute: a probe of a damaged file may read all of it, from a slow disk. */
const TIMEOUT_MS = 60_000;
const KINDS = ['video', 'audio', 'subtitle', 'data', 'attachment'];

export async function probeMedia(ffprobe: string, path: string, signal: AbortSignal): Promise<Probe> {
  const { code, stdout, stderr } = await runProgram(
    ffprobe,
    [
      ...['-hide_banner', '-v', 'error', '-protocol_whitelist', 'file,pipe'],
      ...['-format_whitelist', SELF_CONTAINED_FORMATS],
      ...['-show_format', '-show_streams', '-of', 'json', `file:${path}`],
    ],
    { timeoutMs: TIMEOUT_MS, signal },
  );
  if (code !== 0) return { complaint: stderr.trim() || `ffprobe ended with ${code ?? 'a signal'}` };
  const raw = JSON.parse(stdout) as RawProbe;
  const durationSeconds = amount(raw.format?.duration);
  return {
    media: {
      format: raw.format?.format_name?.split(',')[0] ?? '',
      ...(durationSeconds !== undefined && { durationSeconds }),
      streams: (raw.streams ?? []).slice(0, 64).map(readStream),
    },
  };
}

function readStream(raw: NonNullable<RawProbe['streams']>[number]): ResultStream {
  const known = KINDS.includes(raw.codec_type ?? '') ? (raw.codec_type as string) : 'data';
  const figures = {
    width: raw.width,
    height: raw.height,
    fps: ratio(raw.avg_frame_rate),
    bit_rate: amount(raw.bit_rate),
    sample_rate: amount(raw.sample_rate),
    channels: raw.channels,
    // Matroska keeps it as a tag, by the clock.
    duration_seconds: amount(raw.duration) ?? clockSeconds(raw.tags?.['DURATION']),
  };
  return {
    // A cover is a picture, not a film.
    type: raw.disposition?.attached_pic ? 'attachment' : known,
    codec: raw.codec_name ?? 'unknown',
    ...Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined)),
  };
}

function amount(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function clockSeconds(text: string | undefined): number | undefined {
  const [, hours, minutes, seconds] = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text ?? '') ?? [];
  return seconds === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

function ratio(text: string | undefined): number | undefined {
  const [over, under] = (text ?? '').split('/').map(Number);
  return over && under ? Math.round((over / under) * 1000) / 1000 : undefined;
}
