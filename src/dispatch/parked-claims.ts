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
  private readonly byNode = new Map<string, Set<WaitingClaim>>();
  private readonly byKind = new Map<string, { readonly node: NodeRow; claims: Set<WaitingClaim> }>();
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
    const ofNode = this.byNode.get(claim.node.id);
    if (ofNode) ofNode.add(claim);
    else this.byNode.set(claim.node.id, new Set([claim]));
    this.file(claim);
  }

  /** The node was changed: its claims wait for what it can run now. Answers them. */
  refile(node: NodeRow): readonly WaitingClaim[] {
    const claims = [...(this.byNode.get(node.id) ?? [])];
    for (const claim of claims) {
      this.unfile(claim);
      claim.node = node;
      const group = this.file(claim);
      // In the order of arrival, of which the planner takes the first.
      group.claims = new Set([...group.claims].sort((a, b) => a.arrival - b.arrival));
    }
    return claims;
  }

  remove(claim: WaitingClaim): void {
    if (!this.all.delete(claim)) return;
    if (this.byId.get(idOf(claim)) === claim) this.byId.delete(idOf(claim));
    this.fresh.delete(claim);
    this.over.delete(claim);
    const ofNode = this.byNode.get(claim.node.id);
    ofNode?.delete(claim);
    if (ofNode?.size === 0) this.byNode.delete(claim.node.id);
    this.unfile(claim);
  }

  groups(): ParkedGroup[] {
    return [...this.byKind.values()];
  }

  private file(claim: WaitingClaim): { claims: Set<WaitingClaim> } {
    const kind = this.kindOf(claim.node);
    let group = this.byKind.get(kind);
    if (!group) this.byKind.set(kind, (group = { node: claim.node, claims: new Set() }));
    group.claims.add(claim);
    return group;
  }

  private unfile(claim: WaitingClaim): void {
    const kind = this.kindOf(claim.node);
    const group = this.byKind.get(kind);
    group?.claims.delete(claim);
    if (group?.claims.size === 0) this.byKind.delete(kind);
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
