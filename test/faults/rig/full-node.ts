/** Committed instants at which a node had as many leases as slots: only there could its limit have been broken. */
import type { Instant, Operation } from './history.js';

/** @param name of the worker or the beginning of its name, as its claims bear it */
export function instantsAtItsSlots(operations: readonly Operation[], name: string): Instant[] {
  const claims = operations.filter((one) => one.kind === 'claim' && one.by.startsWith(name));
  const ids = new Set(claims.map((claim) => claim.kind === 'claim' && claim.node_id));
  return operations.filter(
    (one): one is Instant =>
      one.kind === 'instant' &&
      one.nodes.some(({ node_id, running, slots }) => ids.has(node_id) && running === slots),
  );
}
