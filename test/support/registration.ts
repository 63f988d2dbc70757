/** What a worker without ffmpeg says of itself; `more` adds to it or takes the place of some of it. */
import { randomUUID } from 'node:crypto';

export function registration(name: string, slots: number, more: object = {}): object {
  return {
    name,
    instance_id: randomUUID(),
    slots,
    cpu_threads: 8,
    cpu_model: 'simulated',
    ram_total_bytes: 1,
    gpus: [],
    encoders: ['libx264'],
    engines: ['ffmpeg'],
    ffmpeg_version: 'none',
    labels: {},
    ...more,
  };
}
