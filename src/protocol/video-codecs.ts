/**
 * The video codecs that a job may name, and the ffmpeg encoders that make them. The list is closed: a
 * name outside it is refused at submission, where the client still listens, not minutes later on a worker.
 */

export type CodecFamily = 'h264' | 'hevc' | 'vp8' | 'vp9' | 'av1';

/** Names of formats, each with the software encoder that stands for it. */
export const SOFTWARE_ENCODERS = {
  h264: 'libx264',
  h265: 'libx265',
  hevc: 'libx265',
  vp8: 'libvpx',
  vp9: 'libvpx-vp9',
  av1: 'libsvtav1',
} as const;

/** Every encoder a job may name or a worker may offer, with the codec it writes as ffprobe calls it. */
export const ENCODERS: Readonly<Record<string, { family: CodecFamily; hardware: boolean }>> = {
  libx264: { family: 'h264', hardware: false },
  libx265: { family: 'hevc', hardware: false },
  libvpx: { family: 'vp8', hardware: false },
  'libvpx-vp9': { family: 'vp9', hardware: false },
  libsvtav1: { family: 'av1', hardware: false },
  'libaom-av1': { family: 'av1', hardware: false },
  h264_nvenc: { family: 'h264', hardware: true },
  hevc_nvenc: { family: 'hevc', hardware: true },
  av1_nvenc: { family: 'av1', hardware: true },
  h264_qsv: { family: 'h264', hardware: true },
  hevc_qsv: { family: 'hevc', hardware: true },
  av1_qsv: { family: 'av1', hardware: true },
  h264_vaapi: { family: 'h264', hardware: true },
  hevc_vaapi: { family: 'hevc', hardware: true },
  av1_vaapi: { family: 'av1', hardware: true },
  h264_videotoolbox: { family: 'h264', hardware: true },
  hevc_videotoolbox: { family: 'hevc', hardware: true },
};

export const VIDEO_CODECS: readonly string[] = [...Object.keys(SOFTWARE_ENCODERS), ...Object.keys(ENCODERS)];

/** `auto`: a device if the worker has one. `none`: never. The others name one kind of device. */
export const HARDWARE = ['none', 'auto', 'nvenc', 'cuda', 'qsv', 'vaapi', 'videotoolbox'] as const;
export type Hardware = (typeof HARDWARE)[number];

/** The encoder that makes `codec` on the named kind of device; undefined where no such encoder exists. */
export function encoderFor(codec: string, hardware: Hardware = 'none'): string | undefined {
  const named = ENCODERS[codec];
  if (named?.hardware) return codec;
  if (hardware === 'none' || hardware === 'auto') return named ? codec : softwareEncoder(codec);
  const family = named?.family ?? ENCODERS[softwareEncoder(codec) ?? '']?.family;
  const encoder = `${family}_${hardware === 'cuda' ? 'nvenc' : hardware}`;
  return ENCODERS[encoder] ? encoder : undefined;
}

function softwareEncoder(codec: string): string | undefined {
  return Object.hasOwn(SOFTWARE_ENCODERS, codec)
    ? SOFTWARE_ENCODERS[codec as keyof typeof SOFTWARE_ENCODERS]
    : undefined;
}
