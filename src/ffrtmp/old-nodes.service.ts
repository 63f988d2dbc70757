import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { HeldAttempts } from '../dispatch/held-attempts.js';
import type { NodeView } from '../nodes/node-view.js';
import { NodesService } from '../nodes/nodes.service.js';
import { Problem } from '../protocol/problem.js';
import { readRegistration, toOldNode } from './wire/old-node.js';
import { OldWireError } from './wire/old-wire-error.js';

const PAGE = 500;

/** Nodes as ffmpeg-rtmp's agents register them and its CLI reads them. */
@Injectable()
export class OldNodes {
  constructor(
    private readonly nodes: NodesService,
    private readonly held: HeldAttempts,
  ) {}

  async register(
    principal: Principal,
    body: string | undefined,
  ): Promise<{ node: object; created: boolean }> {
    const { node, created } = await this.nodes.register(principal, readRegistration(body));
    return { node: await this.view(node), created };
  }

  async get(principal: Principal, id: string): Promise<object> {
    return this.view(await this.nodes.get(principal, id));
  }

  /** All of them. */
  async list(principal: Principal): Promise<{ count: number; nodes: object[] | null }> {
    const nodes: object[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.nodes.list(principal, { limit: PAGE, cursor });
      nodes.push(...(await Promise.all(page.items.map((node) => this.view(node)))));
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
    return { count: nodes.length, nodes: nodes.length > 0 ? nodes : null };
  }

  async remove(principal: Principal, id: string): Promise<void> {
    try {
      await this.nodes.remove(principal, id);
    } catch (error) {
      if (error instanceof Problem && error.status === 409)
        throw new OldWireError(400, 'Cannot remove node while it is processing a job', error);
      throw error;
    }
  }

  /** What it was taken from, by a cancel, it runs no more for whoever asks here, though its slot is not free yet. */
  private async view(node: NodeView): Promise<object> {
    const current = node.running > 0 ? await this.held.of(node.id) : [];
    return toOldNode(node, current.find(({ revoked }) => !revoked)?.job_id);
  }
}
