/** Which encoder a job gets on this worker, or why it gets none. Pure. */

import type { JobParameters } from '../protocol/job-parameters.js';
import { defaultCodec } from '../protocol/implied-requirements.js';
import { ENCODERS, encoderFor, type CodecFamily } from '../protocol/video-codecs.js';
import { cannotHonour } from './attempt-failure.js';
import type { Container } from './output-name.js';

export interface EncoderChoice {
  encoder: string;
  /** What ffprobe will call the result. */
  family: CodecFamily;
}

export function chooseEncoder(
  parameters: JobParameters,
  proven: readonly string[],
  container: Container,
): EncoderChoice {
  const codec = parameters.codec ?? defaultCodec(parameters);
  const encoder = candidates(codec, parameters).find((name) => proven.includes(name));
  if (encoder === undefined) {
    const hardware = parameters.hwaccel ?? 'none';
    throw hardware === 'none' || hardware === 'auto'
      ? cannotHonour(
          'codec',
          `no encoder for ${codec} works on this worker; it has ${proven.join(', ') || 'none'}`,
        )
      : cannotHonour('hwaccel', `no ${hardware} encoder for ${codec} works on this worker`);
  }
  const family = ENCODERS[encoder]?.family ?? 'h264';
  if (!container.video.includes(family)) {
    throw cannotHonour(
      'codec',
      `${codec} cannot go into a ${container.muxer} file; it takes ${container.video.join(', ')}`,
    );
  }
  return { encoder, family };
}

/** Best first. `auto` takes a device if there is one; `av1` either of the two software encoders. */
function candidates(codec: string, parameters: JobParameters): string[] {
  const hardware = parameters.hwaccel ?? 'none';
  const devices = hardware === 'auto' ? (['nvenc', 'qsv', 'vaapi', 'videotoolbox'] as const) : [];
  return [
    ...devices.map((device) => encoderFor(codec, device)),
    encoderFor(codec, hardware),
    ...(codec === 'av1' && (hardware === 'none' || hardware === 'auto') ? ['libaom-av1'] : []),
  ].filter((name) => name !== undefined);
}
