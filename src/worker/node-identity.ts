/** The node that this process is to the masters: registered at the start, and again whenever they forgot it. */

import type { NodeRegistration, RegisteredNode } from '../protocol/node-registration.js';
import type { MasterClient } from './master-client.js';
import { MasterRefused, type MastersUnreachable } from './master-error.js';

const ASK_TIMEOUT_MS = 5_000;

export class NodeIdentity {
  private node: RegisteredNode | undefined;
  private registering: Promise<void> | undefined;

  constructor(
    private readonly client: MasterClient,
    private readonly registration: NodeRegistration,
    /** What registration itself is asked with; a node's own key is good for nothing else than its node. */
    private readonly key: string | undefined,
    private readonly stopped: AbortSignal,
    private readonly onUnreachable: (error: MastersUnreachable) => void,
  ) {}

  get id(): string {
    return this.registered.id;
  }

  get heartbeatIntervalMs(): number {
    return this.registered.heartbeat_interval_seconds * 1000;
  }

  /** Waits for a master. Several callers at once share one registration. @throws MasterRefused for a wrong key. */
  register(): Promise<void> {
    this.registering ??= this.ask().finally(() => (this.registering = undefined));
    return this.registering;
  }

  private async ask(): Promise<void> {
    this.client.useKey(this.key);
    this.node = await this.client.askUntilAnswered<RegisteredNode>('/nodes', this.registration, {
      timeoutMs: ASK_TIMEOUT_MS,
      signal: this.stopped,
      onUnreachable: this.onUnreachable,
    });
    if (this.node.node_key !== undefined) this.client.useKey(this.node.node_key);
  }

  private get registered(): RegisteredNode {
    if (!this.node) throw new Error('the worker is not registered yet');
    return this.node;
  }
}

/** A master that knows the key but not the node: it was removed, or retired. */
export function isUnknownNode(error: unknown): boolean {
  return error instanceof MasterRefused && error.status === 404;
}
