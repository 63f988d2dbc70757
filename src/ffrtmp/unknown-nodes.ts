import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { Counter } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';
import { nodeNotFound } from '../nodes/nodes.service.js';
import { Problem } from '../protocol/problem.js';

/** Agents that ask for a node which is not there, removed or of another database: they go on so until restarted. */
@Injectable()
export class UnknownNodes {
  private readonly requests: Counter<'route'>;

  constructor(metrics: Metrics) {
    this.requests = metrics.counter({
      name: 'ffrtmp_agent_unknown_node_total',
      help: 'Requests of ffmpeg-rtmp agents for a node that is not registered; they do not register again by themselves.',
      labelNames: ['route'],
    });
  }

  /** Asks what the node's id allows to be asked; counts, and throws on, the 404 for a node that is not there. */
  async counted<T>(route: 'heartbeat' | 'next', node_id: string, ask: () => Promise<T>): Promise<T> {
    try {
      if (!isUUID(node_id)) throw nodeNotFound();
      return await ask();
    } catch (error) {
      if (isNotFound(error)) this.requests.inc({ route });
      throw error;
    }
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof Problem && error.status === 404;
}
