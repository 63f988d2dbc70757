import type { HeartbeatRequest } from '../protocol/heartbeat.js';
import type { BeatingAttempt, BeatingNode } from './heartbeat.repository.js';

/** What a node says, or what is said for one that speaks another protocol. */
export interface Beat extends HeartbeatRequest {
  attempts: Omit<BeatingAttempt, 'node_id'>[];
}

export interface NodeHeartbeat extends Beat {
  node_id: string;
}

/** Heartbeats as one statement takes them: each node and each attempt once. */
export interface HeartbeatGroup {
  nodes: BeatingNode[];
  attempts: BeatingAttempt[];
  /** For each heartbeat, in their order, where its node and its attempts stand in the lists above. */
  beats: { node: number; attempts: { job_id: string; ordinal: number }[] }[];
}

/** Of what was said twice, by a node that asked again before it had its answer, the later counts. */
export function mergeBeats(beats: readonly NodeHeartbeat[]): HeartbeatGroup {
  const nodes = new Places<BeatingNode>();
  const attempts = new Places<BeatingAttempt>();
  const places = beats.map(({ node_id, attempts: own, cpu_load_percent, ram_free_bytes }) => ({
    node: nodes.put(node_id, { node_id, cpu_load_percent, ram_free_bytes }),
    attempts: own.map((attempt) => ({
      job_id: attempt.job_id,
      ordinal: attempts.put(`${node_id} ${attempt.job_id.toLowerCase()} ${attempt.lease_token}`, {
        node_id,
        ...attempt,
      }),
    })),
  }));
  return { nodes: nodes.list, attempts: attempts.list, beats: places };
}

class Places<Item extends object> {
  readonly list: Item[] = [];
  readonly #places = new Map<string, number>();

  put(name: string, item: Item): number {
    const known = this.#places.get(name);
    if (known === undefined) {
      this.#places.set(name, this.list.length);
      return this.list.push(item) - 1;
    }
    const said = Object.entries(item).filter(([, value]) => value != null);
    this.list[known] = { ...(this.list[known] as Item), ...(Object.fromEntries(said) as Partial<Item>) };
    return known;
  }
}
