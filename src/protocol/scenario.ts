/**
 * Scenario names such as `1080p-h264`, `4K60-hevc` or `720p30-vp9-ultrafast`: words that stand for
 * parameters. Old clients send any text here, so what is not understood is a label and means nothing.
 * Parameters that the job names itself win over those of its scenario.
 */

import type { JobParameters } from './job-parameters.js';
import { VIDEO_CODECS } from './video-codecs.js';

/** A shape at the head of a word, with frames per second behind it: 1080p, 720p30, 4K60, 2160p29.97. */
const SHAPE = /^(\d{3,4}p|[248]k|uhd|fhd|hd)(\d{1,3}(?:\.\d{1,3})?)?$/;
const FRAME_RATE = /^(\d{1,3}(?:\.\d{1,3})?)fps$/;

const NAMED_HEIGHTS: Readonly<Record<string, number>> = {
  hd: 720,
  fhd: 1080,
  uhd: 2160,
  '2k': 1440,
  '4k': 2160,
  '8k': 4320,
};
const CODEC_WORDS: Readonly<Record<string, string>> = { x264: 'h264', avc: 'h264', x265: 'hevc' };

/** The parameters that a scenario's name stands for; empty where it names none. */
export function scenarioParameters(scenario: string): JobParameters {
  const found: JobParameters = {};
  for (const word of scenario.toLowerCase().split(/[\s/:+-]+/)) {
    readShape(word, found);
    const rate = FRAME_RATE.exec(word)?.[1];
    if (rate !== undefined) setFrameRate(rate, found);
    const codec = Object.hasOwn(CODEC_WORDS, word) ? CODEC_WORDS[word] : word;
    if (found.codec === undefined && codec !== undefined && VIDEO_CODECS.includes(codec)) found.codec = codec;
  }
  return found;
}

/**
 * A job's parameters with its scenario's filled in. A field and its older alias are one: a job that says
 * `frame_rate: 25` is not given the scenario's `fps: 60` on top.
 */
export function effectiveParameters(scenario: string, parameters: JobParameters = {}): JobParameters {
  const defaults = scenarioParameters(scenario);
  if (parameters.frame_rate !== undefined) delete defaults.fps;
  if (parameters.resolution_width !== undefined || parameters.resolution_height !== undefined)
    delete defaults.resolution;
  return { ...defaults, ...given(parameters) };
}

/** An instance made by class-transformer has every field, absent ones as undefined; those say nothing. */
function given(parameters: JobParameters): JobParameters {
  return Object.fromEntries(
    Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null),
  );
}

function readShape(word: string, found: JobParameters): void {
  const [, shape, rate] = SHAPE.exec(word) ?? [];
  if (shape === undefined || found.resolution !== undefined) return;
  const height = NAMED_HEIGHTS[shape] ?? Number.parseInt(shape, 10);
  if (height < 120 || height > 4320) return;
  // Encoders want even sides: 480p is 854 wide, not 853.
  found.resolution = `${2 * Math.round((height * 16) / 9 / 2)}x${2 * Math.round(height / 2)}`;
  if (rate !== undefined) setFrameRate(rate, found);
}

function setFrameRate(text: string, found: JobParameters): void {
  const fps = Number(text);
  if (fps >= 1 && fps <= 300) found.fps ??= fps;
}
