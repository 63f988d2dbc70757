import { Injectable } from '@nestjs/common';
import type { NodeRow } from '../nodes/node-row.js';
import type { WaitingClaim } from './waiting-claim.js';

/** Claims of nodes that may run the same lanes, in the order of arrival. */
export interface ParkedGroup {
  /** One of those nodes; what it may run, all may. */
  readonly node: NodeRow;
  readonly claims: Iterable<WaitingClaim>;
}

/**
 * The claims that wait in this master. Grouped by what their nodes can do, so that a new job is held
 * against each kind of node once and not against each parked claim: for one job and 10,000 parked claims
 * that was a millisecond.
 */
@Injectable()
export class ParkedClaims implements Iterable<WaitingClaim> {
  /** Not yet in any statement: nobody has looked whether they were answered before. */
  readonly fresh = new Set<WaitingClaim>();
  /** Their time is over and the lane heads were read once more for them. */
  readonly over = new Set<WaitingClaim>();
  private readonly all = new Set<WaitingClaim>();
  private readonly byId = new Map<string, WaitingClaim>();
  private readonly byKind = new Map<string, { readonly node: NodeRow; readonly claims: Set<WaitingClaim> }>();
  private readonly kinds = new WeakMap<NodeRow, string>();

  get size(): number {
    return this.all.size;
  }

  [Symbol.iterator](): Iterator<WaitingClaim> {
    return this.all.values();
  }

  /** The claim of this id that came last. */
  find(node_id: string, claim_id: string): WaitingClaim | undefined {
    return this.byId.get(`${node_id} ${claim_id}`);
  }

  add(claim: WaitingClaim): void {
    this.all.add(claim);
    this.byId.set(idOf(claim), claim);
    this.fresh.add(claim);
    const kind = this.kindOf(claim.node);
    const group = this.byKind.get(kind);
    if (group) group.claims.add(claim);
    else this.byKind.set(kind, { node: claim.node, claims: new Set([claim]) });
  }

  remove(claim: WaitingClaim): void {
    if (!this.all.delete(claim)) return;
    if (this.byId.get(idOf(claim)) === claim) this.byId.delete(idOf(claim));
    this.fresh.delete(claim);
    this.over.delete(claim);
    const kind = this.kindOf(claim.node);
    const group = this.byKind.get(kind);
    group?.claims.delete(claim);
    if (group?.claims.size === 0) this.byKind.delete(kind);
  }

  groups(): ParkedGroup[] {
    return [...this.byKind.values()];
  }

  /** What `fits` looks at, as a text. */
  private kindOf(node: NodeRow): string {
    let kind = this.kinds.get(node);
    if (kind === undefined) {
      const labels = Object.entries(node.labels).sort(([a], [b]) => (a < b ? -1 : 1));
      const { tenant_id, queues, cpu_threads, gpus, encoders, engines } = node;
      kind = JSON.stringify([tenant_id, queues, cpu_threads, gpus.length, encoders, engines, labels]);
      this.kinds.set(node, kind);
    }
    return kind;
  }
}

function idOf({ node, claim_id }: WaitingClaim): string {
  return `${node.id} ${claim_id}`;
}
