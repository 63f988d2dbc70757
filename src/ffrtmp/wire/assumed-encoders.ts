/**
 * What an agent of ffmpeg-rtmp can encode. It never says which encoders work; over there a node with a GPU and no list
 * was taken to have them all, and any encoder of one maker for all of it.
 */
import { ENCODERS } from '../../protocol/video-codecs.js';

const MAKERS = ['nvenc', 'qsv', 'vaapi', 'videotoolbox'] as const;

/** @param gpuCapabilities as registered: names of encoders, or of their makers */
export function assumedEncoders(hasGpu: boolean, gpuCapabilities: readonly string[] = []): string[] {
  const listed = gpuCapabilities.join(' ').toLowerCase();
  const makers = gpuCapabilities.length === 0 ? MAKERS : MAKERS.filter((maker) => listed.includes(maker));
  return Object.entries(ENCODERS)
    .filter(([name, { hardware }]) => !hardware || (hasGpu && makers.some((maker) => name.endsWith(maker))))
    .map(([name]) => name);
}
