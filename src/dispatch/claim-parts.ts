/** What claims ask of lanes in one statement, and how its answers are told apart. */
import type { PartAnswer } from './claim.repository.js';
import type { WaitingClaim } from './waiting-claim.js';

/** What a claim asks of one lane in a statement; of none where it only asks whether it was answered before. */
export interface Part {
  readonly claim: WaitingClaim;
  readonly lane_id: number | null;
  readonly wanted: number;
}

/**
 * Slots that found no job, or that their queue refused, counted towards their node's room: beside them, a full node
 * says nothing.
 */
export function nodesWithUnusedRoom(answers: ReadonlyMap<WaitingClaim, readonly PartAnswer[]>): Set<string> {
  const nodes = new Set<string>();
  for (const [claim, parts] of answers)
    if (parts.some((part) => part.short || part.refused)) nodes.add(claim.node.id);
  return nodes;
}

/** The answers of a statement, by what their parts have in common. */
export function byKey<Key>(
  parts: readonly Part[],
  answers: readonly PartAnswer[],
  key: (part: Part) => Key,
): Map<Key, PartAnswer[]> {
  const groups = new Map<Key, PartAnswer[]>();
  parts.forEach((part, index) => {
    const answer = answers[index];
    const known = groups.get(key(part));
    if (answer && known) known.push(answer);
    else if (answer) groups.set(key(part), [answer]);
  });
  return groups;
}
