/** What a worker without ffmpeg says of itself. */
export function registration(name: string, instance_id: string, slots: number): object {
  return {
    name,
    instance_id,
    slots,
    cpu_threads: 8,
    cpu_model: 'known',
    ram_total_bytes: 1,
    gpus: [],
    encoders: ['libx264'],
    engines: ['ffmpeg'],
    ffmpeg_version: 'none',
    labels: {},
  };
}
