/** Bit rate, quality and preset in each encoder's own words. Pure. */

import type { JobParameters } from '../protocol/job-parameters.js';
import { cannotHonour } from './attempt-failure.js';

const X264_PRESETS = [
  'ultrafast',
  'superfast',
  'veryfast',
  'faster',
  'fast',
  'medium',
  'slow',
  'slower',
  'veryslow',
];
const NVENC_PRESETS = ['fast', 'medium', 'slow', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7'];
const QSV_PRESETS = ['veryfast', 'faster', 'fast', 'medium', 'slow', 'slower', 'veryslow'];

/** libvpx and libaom take an effort from 8 or 5 (quick) to 0, SVT from 12 to 0. */
const VPX_EFFORT: readonly number[] = [5, 5, 5, 4, 4, 3, 2, 1, 0];
const AOM_EFFORT: readonly number[] = [8, 8, 7, 6, 5, 4, 3, 2, 1];
const SVT_EFFORT: readonly number[] = [12, 11, 10, 9, 8, 7, 6, 4, 2];

export function encoderOptions(encoder: string, parameters: JobParameters): string[] {
  return [...rateOptions(encoder, parameters), ...presetOptions(encoder, parameters.preset)];
}

function rateOptions(encoder: string, { bitrate, crf }: JobParameters): string[] {
  if (crf === undefined) {
    // VP9, VP8 and AV1 start at 200 kb/s where nothing is said; constant quality is what people mean.
    if (bitrate === undefined)
      return /^lib(vpx|vpx-vp9|aom-av1)$/.test(encoder) ? ['-crf', '32', '-b:v', freeRate(encoder)] : [];
    return ['-b:v', bitrate, '-maxrate', bitrate, '-bufsize', doubled(bitrate)];
  }
  if (bitrate !== undefined)
    throw cannotHonour('crf', 'a job has a constant quality or a bit rate, not both');
  if (encoder === 'libx264' || encoder === 'libx265') {
    if (crf > 51) throw cannotHonour('crf', `${encoder} takes 0 to 51`);
    return ['-crf', String(crf)];
  }
  if (encoder === 'libsvtav1') return ['-crf', String(crf)];
  if (encoder.startsWith('lib'))
    return ['-crf', String(Math.max(crf, encoder === 'libvpx' ? 4 : 0)), '-b:v', freeRate(encoder)];
  if (encoder.endsWith('_nvenc')) return ['-rc', 'vbr', '-cq', String(Math.min(crf, 51))];
  throw cannotHonour('crf', `${encoder} has no constant quality; name a bitrate`);
}

/** Zero lifts the limit, but for VP8, whose rate control needs one. */
function freeRate(encoder: string): string {
  return encoder === 'libvpx' ? '20M' : '0';
}

function doubled(bitrate: string): string {
  const [, amount, unit = ''] = /^([\d.]+)([kKmM]?)$/.exec(bitrate) ?? [];
  return `${2 * Number(amount)}${unit}`;
}

function presetOptions(encoder: string, preset: string | undefined): string[] {
  if (preset === undefined) {
    if (encoder === 'libvpx-vp9' || encoder === 'libvpx')
      return ['-deadline', 'good', '-cpu-used', '3', ...rows(encoder)];
    return encoder === 'libaom-av1' ? ['-cpu-used', '6', '-row-mt', '1'] : [];
  }
  const step = X264_PRESETS.indexOf(preset);
  switch (encoder) {
    case 'libx264':
    case 'libx265':
      return named(encoder, preset, X264_PRESETS);
    case 'libvpx':
    case 'libvpx-vp9':
      if (step >= 0) return ['-deadline', 'good', '-cpu-used', String(VPX_EFFORT[step]), ...rows(encoder)];
      break;
    case 'libaom-av1':
      if (step >= 0) return ['-cpu-used', String(AOM_EFFORT[step]), '-row-mt', '1'];
      break;
    case 'libsvtav1':
      if (step >= 0) return ['-preset', String(SVT_EFFORT[step])];
      break;
    default:
      if (encoder.endsWith('_nvenc')) return named(encoder, preset, NVENC_PRESETS);
      if (encoder.endsWith('_qsv')) return named(encoder, preset, QSV_PRESETS);
  }
  throw cannotHonour('preset', `${encoder} has no preset ${preset}`);
}

function rows(encoder: string): string[] {
  return encoder === 'libvpx-vp9' ? ['-row-mt', '1'] : [];
}

function named(encoder: string, preset: string, presets: readonly string[]): string[] {
  if (presets.includes(preset)) return ['-preset', preset];
  throw cannotHonour('preset', `${encoder} takes ${presets.join(', ')}, not ${preset}`);
}
