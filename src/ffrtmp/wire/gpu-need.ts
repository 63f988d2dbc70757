/** What asked for a GPU over there: an encoder of one, or any hwaccel but none. */
const GPU_ENCODER = /nvenc|qsv|videotoolbox|vaapi/;

/** `parameters` as a client sent them. */
export function needsGpu({ codec, hwaccel }: Readonly<Record<string, unknown>>): boolean {
  if (typeof codec === 'string' && GPU_ENCODER.test(codec)) return true;
  return typeof hwaccel === 'string' && hwaccel !== '' && hwaccel !== 'none';
}
