import { Injectable } from '@nestjs/common';
import type { Grouped } from '../database/grouped.js';
import { StatementGroups } from '../database/statement-groups.js';
import { HeldAttemptsRepository, type HeldAttempt } from './held-attempts.repository.js';

/** Nodes in one statement. */
const NODES_A_GROUP = 200;

/** What nodes hold by the database's word, for workers that keep no lease tokens themselves. */
@Injectable()
export class HeldAttempts {
  private readonly lists: Grouped<string, HeldAttempt[]>;

  constructor(repository: HeldAttemptsRepository, groups: StatementGroups) {
    this.lists = groups.make({
      name: 'held_attempts',
      max_group: NODES_A_GROUP,
      run: async (node_ids: readonly string[]) => {
        const held = new Map<string, HeldAttempt[]>(node_ids.map((node_id) => [node_id, []]));
        for (const attempt of await repository.list(node_ids)) held.get(attempt.node_id)?.push(attempt);
        return node_ids.map((node_id) => held.get(node_id) ?? []);
      },
    });
  }

  /** In the order of their tokens. */
  of(node_id: string): Promise<HeldAttempt[]> {
    return this.lists.add(node_id);
  }
}
