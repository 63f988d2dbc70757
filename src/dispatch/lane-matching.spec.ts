import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LaneRequirement } from '../jobs/lane-requirement.js';
import { fits, meets, type Capabilities } from './lane-matching.js';

const ENCODERS = ['libx264', 'libx265', 'h264_nvenc'];
const ENGINES = ['auto', 'ffmpeg', 'gstreamer'];
const QUEUES = ['live', 'default', 'batch'];

/** Few values, so that what is asked for is often there, and missing by one as often. */
const labels = fc.dictionary(fc.constantFrom('zone', 'disk', 'constructor'), fc.constantFrom('a', 'b', ''));
const nodes: fc.Arbitrary<Capabilities> = fc.record({
  queues: fc.subarray(QUEUES),
  cpu_threads: fc.integer({ min: 1, max: 4 }),
  gpus: fc.array(fc.constant({ name: 'gpu' }), { maxLength: 3 }),
  encoders: fc.subarray(ENCODERS),
  engines: fc.subarray(ENGINES),
  labels,
});
const requirements: fc.Arbitrary<LaneRequirement> = fc.record(
  {
    gpus: fc.nat(3),
    encoders: fc.subarray(ENCODERS),
    labels,
    threads: fc.nat(4),
    engine: fc.constantFrom('ffmpeg', 'gstreamer'),
  },
  { requiredKeys: [] },
);
const lanes = fc.record({ queue: fc.constantFrom(...QUEUES), requirement: requirements });

/** Everything that a lane asks of a node and the node has not, one by one: the rule in other words. */
function missing(
  { queue, requirement }: { queue: string; requirement: LaneRequirement },
  node: Capabilities,
) {
  const lacks: string[] = [];
  if (node.queues.length > 0 && new Set([...node.queues, queue]).size > node.queues.length) lacks.push(queue);
  for (let gpu = 0; gpu < (requirement.gpus ?? 0); gpu += 1) if (!(gpu in node.gpus)) lacks.push('gpu');
  for (let thread = 1; thread <= (requirement.threads ?? 0); thread += 1)
    if (thread > node.cpu_threads) lacks.push('thread');
  const encoders = new Set(node.encoders);
  for (const encoder of requirement.encoders ?? []) if (!encoders.has(encoder)) lacks.push(encoder);
  const has = new Map(Object.entries(node.labels));
  for (const [key, value] of Object.entries(requirement.labels ?? {}))
    if (has.get(key) !== value) lacks.push(key);
  const served = node.engines.flatMap((engine) => (engine === 'auto' ? ENGINES : [engine]));
  if (requirement.engine && served.indexOf(requirement.engine) < 0) lacks.push(requirement.engine);
  return lacks;
}

describe('lane matching', () => {
  it('finds a node fit where nothing is missing', () => {
    let fit = 0;
    fc.assert(
      fc.property(lanes, nodes, (lane, node) => {
        const answer = fits(lane, node);
        expect({ answer, missing: missing(lane, node) }).toMatchObject({
          answer: missing(lane, node).length === 0,
        });
        fit += answer ? 1 : 0;
      }),
      { numRuns: 2_000 },
    );
    // Both answers were met often enough for the oracle to mean something.
    expect(fit).toBeGreaterThan(20);
    expect(fit).toBeLessThan(1_900);
  });

  it('never loses a node by what it gains', () => {
    fc.assert(
      fc.property(lanes, nodes, nodes, (lane, node, more) => {
        fc.pre(fits(lane, node));
        const gained: Capabilities = {
          // To name a first queue is to serve fewer.
          queues: node.queues.length === 0 ? [] : [...node.queues, ...more.queues],
          cpu_threads: Math.max(node.cpu_threads, more.cpu_threads),
          gpus: [...node.gpus, ...more.gpus],
          encoders: [...more.encoders, ...node.encoders],
          engines: [...more.engines, ...node.engines],
          labels: { ...more.labels, ...node.labels },
        };
        expect(fits(lane, gained)).toBe(true);
      }),
    );
  });

  it('never gains a node by asking for more', () => {
    fc.assert(
      fc.property(requirements, requirements, nodes, (requirement, more, node) => {
        const both: LaneRequirement = {
          ...more,
          ...requirement,
          gpus: Math.max(requirement.gpus ?? 0, more.gpus ?? 0),
          threads: Math.max(requirement.threads ?? 0, more.threads ?? 0),
          encoders: [...(requirement.encoders ?? []), ...(more.encoders ?? [])],
          labels: { ...more.labels, ...requirement.labels },
        };
        expect(meets(both, node) && !meets(requirement, node)).toBe(false);
      }),
    );
  });

  it('finds every node fit for a lane that asks for nothing, and none by a label that objects inherit', () => {
    fc.assert(fc.property(nodes, (node) => meets({}, node)));
    const node = { queues: [], cpu_threads: 1, gpus: [], encoders: [], engines: [], labels: {} };
    expect(meets({ labels: { constructor: 'Object' } }, node)).toBe(false);
  });
});
