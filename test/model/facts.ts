/** What a step did, as its action tells the judge; and the shape of an action. */
import type { JobEventType } from '../../src/jobs/state-machine.js';
import type { JobStatus } from '../../src/protocol/job-status.js';
import type { Step } from './explorer.js';
import type { Model } from './rules.js';
import { copy, type World } from './world.js';

export type Fact =
  /** A row of the event log. */
  | {
      readonly kind: 'event';
      readonly job: number;
      readonly from: JobStatus;
      readonly to: JobStatus;
      readonly event: JobEventType;
    }
  /** A claim was answered with a new attempt. */
  | { readonly kind: 'given'; readonly attempt: number }
  /** An attempt ended. */
  | { readonly kind: 'ended'; readonly attempt: number }
  /** A message of attempt `by` had an effect on what belongs to attempt `on`. */
  | { readonly kind: 'effect'; readonly by: number; readonly on: number | null }
  | { readonly kind: 'reported'; readonly by: number; readonly outcome: 'accepted' | 'duplicate' | 'stale' }
  | { readonly kind: 'term'; readonly epoch: number }
  /** A statement of a duty changed something. */
  | { readonly kind: 'duty'; readonly ordinal: number };

export type Action = (world: World, model: Model) => Iterable<Step<World, Fact>>;

/** A step by way of a copy. */
export function step(
  label: string,
  world: World,
  change: (next: World, facts: Fact[]) => void,
): Step<World, Fact> {
  const next = copy(world);
  const facts: Fact[] = [];
  change(next, facts);
  return { label, next, facts };
}
