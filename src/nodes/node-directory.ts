import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Grouped } from '../database/grouped.js';
import { StatementGroups } from '../database/statement-groups.js';
import { Signals } from '../signals/signals.js';
import type { NodeRow } from './node-row.js';
import { NodesRepository, type NodeVersion } from './nodes.repository.js';

/**
 * All nodes, in the memory of this master, so that a claim need not read its own. A copy: `node` signals
 * keep it fresh within milliseconds, and each resync compares a digest of the table with the one it was
 * made from, so that a lost signal costs one `signals.poll_interval`. What must not be stale (a node's
 * free slots, the drain that a claim obeys) is decided in the claim's statement.
 */
@Injectable()
export class NodeDirectory implements OnModuleInit, OnModuleDestroy {
  private readonly nodes = new Map<string, NodeRow & NodeVersion>();
  private readonly loads: Grouped<string, NodeRow | undefined>;
  private digest: string | undefined;
  private syncing: Promise<void> | undefined;
  private readonly unsubscribe: (() => void)[] = [];
  private changed: (node: NodeRow) => void = () => undefined;

  constructor(
    private readonly repository: NodesRepository,
    private readonly signals: Signals,
    groups: StatementGroups,
  ) {
    this.loads = groups.make({ name: 'load_nodes', run: (ids: readonly string[]) => this.load(ids) });
  }

  onModuleInit(): void {
    this.unsubscribe.push(
      this.signals.on('node', (id) => void this.refresh(id).catch(untilNextResync)),
      this.signals.onResync(() => void this.sync().catch(untilNextResync)),
    );
  }

  onModuleDestroy(): void {
    for (const off of this.unsubscribe) off();
  }

  /** The node, read from the database where it is not known yet; many at once share a statement. */
  async get(id: string): Promise<NodeRow | undefined> {
    return this.nodes.get(id) ?? this.refresh(id);
  }

  /** The node if it is in memory. */
  peek(id: string): NodeRow | undefined {
    return this.nodes.get(id);
  }

  /** Whether the copy was ever brought in line with the table: until then `all` says nothing. */
  get synced(): boolean {
    return this.digest !== undefined;
  }

  /** The nodes that are there now, draining ones included; empty until the first resync. */
  all(): NodeRow[] {
    return [...this.nodes.values()].filter((node) => node.status === 'online');
  }

  /** Calls `listener` with the row of each node that was changed, by whichever master, once this one knows of it. */
  onChange(listener: (node: NodeRow) => void): void {
    this.changed = listener;
  }

  /** Reads a node again. */
  refresh(id: string): Promise<NodeRow | undefined> {
    return this.loads.add(id);
  }

  /** Brings the copy in line with the table. */
  sync(): Promise<void> {
    this.syncing ??= this.compare().finally(() => (this.syncing = undefined));
    return this.syncing;
  }

  private async compare(): Promise<void> {
    const digest = await this.repository.digest();
    if (digest === this.digest) return;
    const versions = new Map((await this.repository.versions()).map(({ id, version }) => [id, version]));
    for (const id of this.nodes.keys()) if (!versions.has(id)) this.nodes.delete(id);
    const changed = [...versions].filter(([id, version]) => this.nodes.get(id)?.version !== version);
    for (let start = 0; start < changed.length; start += NODES_AT_ONCE) {
      await this.load(changed.slice(start, start + NODES_AT_ONCE).map(([id]) => id));
    }
    this.digest = digest;
  }

  private async load(ids: readonly string[]): Promise<(NodeRow | undefined)[]> {
    const rows = new Map((await this.repository.load([...new Set(ids)])).map((row) => [row.id, row]));
    return ids.map((id) => {
      const row = rows.get(id);
      const before = this.nodes.get(id);
      // One row of a version: what is remembered of a node goes by its row.
      if (row && before?.version === row.version) return before;
      if (row) this.nodes.set(id, row);
      else this.nodes.delete(id);
      if (row && before) this.changed(row);
      return row;
    });
  }
}

/** A node with 500 encoders is about 10 KB. */
const NODES_AT_ONCE = 200;

/** The database is away: others log that, and each resync tries again. */
function untilNextResync(): void {}
