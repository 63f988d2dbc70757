import type { LaneRequirement } from '../jobs/lane-requirement.js';

/** What a node can do, as it registered. */
export interface Capabilities {
  readonly queues: readonly string[];
  readonly cpu_threads: number;
  readonly gpus: readonly unknown[];
  readonly encoders: readonly string[];
  readonly engines: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether a node may run the jobs of a lane. Pure. A node that names no queue serves them all. */
export function fits(lane: { queue: string; requirement: LaneRequirement }, node: Capabilities): boolean {
  return (node.queues.length === 0 || node.queues.includes(lane.queue)) && meets(lane.requirement, node);
}

export function meets(requirement: LaneRequirement, node: Capabilities): boolean {
  const { gpus = 0, encoders = [], labels = {}, threads = 0, engine } = requirement;
  return (
    node.gpus.length >= gpus &&
    node.cpu_threads >= threads &&
    encoders.every((encoder) => node.encoders.includes(encoder)) &&
    Object.entries(labels).every(([key, value]) => node.labels[key] === value) &&
    (engine === undefined || node.engines.includes(engine) || node.engines.includes('auto'))
  );
}
