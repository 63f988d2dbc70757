import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { Settings } from '../config/settings.js';
import type { NodeRegistration, RegisteredNode } from '../protocol/node-registration.js';
import { conflict, notFound, type Problem } from '../protocol/problem.js';
import { Signals } from '../signals/signals.js';
import { NodeDirectory } from './node-directory.js';
import { toNodeView, type NodeView } from './node-view.js';
import type { ListNodesQuery } from './nodes-query.js';
import { NodesMetrics } from './nodes.metrics.js';
import { NodesRepository } from './nodes.repository.js';
import { RegistrationRepository } from './registration.repository.js';

export interface NodePage {
  items: NodeView[];
  next_cursor: string | null;
}

export interface Registration {
  node: NodeView & RegisteredNode;
  created: boolean;
}

const DEFAULT_PAGE = 50;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

@Injectable()
export class NodesService {
  constructor(
    private readonly nodes: NodesRepository,
    private readonly registrations: RegistrationRepository,
    private readonly directory: NodeDirectory,
    private readonly signals: Signals,
    private readonly metrics: NodesMetrics,
    private readonly settings: Settings,
  ) {}

  async register(principal: Principal, sent: NodeRegistration): Promise<Registration> {
    const { heartbeat_timeout } = this.settings.timeouts;
    const { id, created } = await this.registrations.register(principal.tenant_id, sent, heartbeat_timeout);
    await this.tell(id);
    this.metrics.registered(created);
    const { heartbeat_interval, lease_duration } = this.settings.workers;
    const node = {
      ...(await this.get(principal, id)),
      heartbeat_interval_seconds: heartbeat_interval / 1000,
      lease_seconds: lease_duration / 1000,
    };
    return { node, created };
  }

  async get(principal: Principal, id: string): Promise<NodeView> {
    const row = UUID.test(id) ? await this.nodes.get(id, principal.tenant_id) : undefined;
    if (!row) throw nodeNotFound();
    return toNodeView(row);
  }

  async list(principal: Principal, query: ListNodesQuery): Promise<NodePage> {
    const limit = query.limit ?? DEFAULT_PAGE;
    const { tenant_id } = principal;
    const rows = await this.nodes.list(tenant_id, query.cursor ?? BEFORE_ALL, query.status, limit + 1);
    const page = rows.slice(0, limit);
    return {
      items: page.map(toNodeView),
      next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  /** A draining node finishes what it runs and is given nothing more, through restarts, until resumed. */
  async setDraining(principal: Principal, id: string, draining: boolean): Promise<NodeView> {
    const known = UUID.test(id) && (await this.nodes.setDraining(id, principal.tenant_id, draining));
    if (!known) throw nodeNotFound();
    await this.tell(id);
    return this.get(principal, id);
  }

  /** 409 while it runs anything: its leases would outlive it. */
  async remove(principal: Principal, id: string): Promise<void> {
    const running = UUID.test(id) ? await this.nodes.remove(id, principal.tenant_id) : undefined;
    if (running === undefined) throw nodeNotFound();
    if (running > 0) {
      throw conflict(
        `The node runs ${running} job${running > 1 ? 's' : ''}. Drain it first, then remove it.`,
        {
          running,
        },
      );
    }
    await this.tell(id);
  }

  /** A heartbeat of nodes that the heartbeat's statement saw offline: they are back. */
  async revive(ids: readonly string[]): Promise<void> {
    for (const id of await this.nodes.revive(ids)) await this.tell(id);
  }

  /** This master sees its own change at once; the others by signal. */
  private async tell(id: string): Promise<void> {
    this.signals.send('node', id);
    await this.directory.refresh(id);
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function nodeNotFound(): Problem {
  return notFound('There is no such node. Give a node id, as `nodes list` shows them, or register again.');
}
