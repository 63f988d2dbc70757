/**
 * A TCP link that can fail: between a master and its database, a worker and its masters, two servers.
 *
 *     delay    each direction is late by so much
 *     hold     nothing is forwarded and nothing is closed: a black hole; both directions, or one way
 *     release  what was held goes on, as after a short partition
 *     strand   one side is closed and the other never told: half-open
 *     cut      both sides are reset
 *     refuse   new connections are reset, or accepted and left unanswered
 *
 * Every fault acts on the links that `which` picks, and counts what it did, so that a test can assert that it
 * happened. Links to PostgreSQL are named by their `application_name`, others by their first line.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { firstLineOf, isStartUp, nameOfStartUp } from './link-name.js';
import { NotificationFilter } from './notification-filter.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export type Direction = 'to-server' | 'to-client';
const BOTH: readonly Direction[] = ['to-server', 'to-client'];

/** What the proxy did to its links. Bytes and messages held or dropped, connections cut, stranded, refused. */
export interface FaultCounts {
  links: number;
  held: number;
  /** Messages that the delay made late. */
  late: number;
  cut: number;
  stranded: number;
  refused: number;
  notifications: number;
  answers_cut: number;
}

export type LinkPick = (name: string) => boolean;
const ANY: LinkPick = () => true;

export class FaultProxy {
  readonly counts: FaultCounts = {
    links: 0,
    held: 0,
    late: 0,
    cut: 0,
    stranded: 0,
    refused: 0,
    notifications: 0,
    answers_cut: 0,
  };
  /** Milliseconds by which each direction is late. */
  delay = 0;
  /** True: notifications of PostgreSQL never arrive. */
  dropsNotifications = false;
  private readonly links = new Set<Link>();
  private readonly unanswered = new Set<Socket>();
  private readonly holding = new Map<Direction, LinkPick>();
  private holdingFrom: { text: string; which: LinkPick } | undefined;
  private refusing: 'no' | 'reset' | 'silent' = 'no';
  private doomed: { request: RegExp; resolve: () => void } | undefined;

  private constructor(
    private target: Address,
    private readonly server: Server,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  static async start(target: Address, port = 0): Promise<FaultProxy> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return new FaultProxy(target, server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get names(): string[] {
    return [...this.links].map(({ name }) => name);
  }

  /** New links lead there; those that are open stay as they are. */
  retarget(target: Address): void {
    this.target = target;
  }

  /** Stops forwarding on the links that are there and on those to come, until `release`. */
  hold(which: LinkPick = ANY, directions: readonly Direction[] = BOTH): number {
    for (const direction of directions) this.holding.set(direction, which);
    return this.freeze(which, directions);
  }

  /** As `hold`, but only the links that are there: who connects anew gets through, as after a firewall's restart. */
  freeze(which: LinkPick = ANY, directions: readonly Direction[] = BOTH): number {
    const chosen = [...this.links].filter(({ name }) => which(name));
    for (const link of chosen) for (const direction of directions) link.hold(direction);
    return chosen.length;
  }

  /** A link of `which` stops forwarding to the server with the first message that has this text, until `release`. */
  holdFrom(text: string, which: LinkPick = ANY): void {
    this.holdingFrom = { text, which };
  }

  /** Whether a client's message with this text is held back now. */
  holds(text: string): boolean {
    return [...this.links].some((link) => link.holds(text));
  }

  /** How many messages are held back now on the links of `which`. */
  heldNow(which: LinkPick = ANY): number {
    return [...this.links].filter(({ name }) => which(name)).reduce((sum, link) => sum + link.heldNow, 0);
  }

  /** Ends `hold`, `holdFrom`, `freeze` and `refuse`. */
  release(): void {
    this.holding.clear();
    this.holdingFrom = undefined;
    this.refusing = 'no';
    for (const link of this.links) for (const direction of BOTH) link.release(direction);
  }

  /** Resets both sides; answers how many links that were. */
  cut(which: LinkPick = ANY): number {
    const chosen = [...this.links].filter(({ name }) => which(name));
    for (const link of chosen) link.cut();
    this.counts.cut += chosen.length;
    return chosen.length;
  }

  /** Closes the side of the `client` or the `server`; the other one is never told. */
  strand(side: 'client' | 'server', which: LinkPick = ANY): number {
    const chosen = [...this.links].filter(({ name }) => which(name));
    for (const link of chosen) link.strand(side);
    this.counts.stranded += chosen.length;
    return chosen.length;
  }

  refuse(how: 'reset' | 'silent'): void {
    this.refusing = how;
  }

  /**
   * Cuts the link when the answer to the next request that matches comes back: its sender cannot know that it
   * was carried out. Resolves when that has happened.
   */
  cutAnswerTo(request: RegExp): Promise<void> {
    return new Promise((resolve) => (this.doomed = { request, resolve }));
  }

  async close(): Promise<void> {
    for (const link of this.links) link.cut();
    for (const socket of this.unanswered) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(client: Socket): void {
    this.counts.links += 1;
    client.on('error', () => undefined);
    if (this.refusing !== 'no') {
      this.counts.refused += 1;
      if (this.refusing === 'reset') client.resetAndDestroy();
      else this.unanswered.add(client.pause());
      return;
    }
    const link: Link = new Link(client, connect({ ...this.target, noDelay: true }), {
      delay: () => this.delay,
      dropsNotifications: () => this.dropsNotifications,
      counts: this.counts,
      isDoomed: (bytes) => {
        const { doomed } = this;
        if (!doomed?.request.test(bytes.toString('latin1'))) return undefined;
        this.doomed = undefined;
        return doomed.resolve;
      },
      isHeldFrom: (bytes) =>
        this.holdingFrom?.which(link.name) === true && bytes.includes(this.holdingFrom.text),
      onNamed: () => {
        for (const [direction, which] of this.holding) if (which(link.name)) link.hold(direction);
      },
      onGone: () => this.links.delete(link),
    });
    this.links.add(link);
  }
}

interface LinkOptions {
  readonly delay: () => number;
  readonly dropsNotifications: () => boolean;
  readonly counts: FaultCounts;
  /** What to call once the answer to these bytes was cut; undefined where they are to be answered. */
  readonly isDoomed: (bytes: Buffer) => (() => void) | undefined;
  /** Whether nothing is forwarded to the server from these bytes on. */
  readonly isHeldFrom: (bytes: Buffer) => boolean;
  readonly onNamed: () => void;
  readonly onGone: () => void;
}

class Link {
  name = '';
  private readonly held = new Map<Direction, Buffer[]>();
  private readonly filter: NotificationFilter;
  private doom: (() => void) | undefined;
  private isStranded = false;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly options: LinkOptions,
  ) {
    this.filter = new NotificationFilter(
      options.dropsNotifications,
      () => (options.counts.notifications += 1),
    );
    client.on('data', (bytes) => this.fromClient(bytes));
    server.on('data', (bytes) => this.fromServer(bytes));
    for (const [one, other, direction] of [
      [client, server, 'to-server'],
      [server, client, 'to-client'],
    ] as const) {
      one.on('error', () => undefined);
      // What a black hole swallows is also the end of the connection.
      one.on('close', () => {
        if (!this.isStranded && !this.held.has(direction)) other.destroy();
        if (client.destroyed && server.destroyed) options.onGone();
      });
    }
  }

  hold(direction: Direction): void {
    if (!this.held.has(direction)) this.held.set(direction, []);
  }

  holds(text: string): boolean {
    return this.held.get('to-server')?.some((bytes) => bytes.includes(text)) === true;
  }

  get heldNow(): number {
    return [...this.held.values()].reduce((sum, messages) => sum + messages.length, 0);
  }

  release(direction: Direction): void {
    const bytes = this.held.get(direction);
    if (bytes === undefined) return;
    this.held.delete(direction);
    const [from, to] = direction === 'to-server' ? [this.client, this.server] : [this.server, this.client];
    for (const each of bytes) to.write(each);
    if (from.destroyed) to.destroy();
  }

  cut(): void {
    this.held.clear();
    for (const socket of [this.client, this.server]) if (!socket.destroyed) socket.resetAndDestroy();
  }

  strand(side: 'client' | 'server'): void {
    this.isStranded = true;
    this[side].resetAndDestroy();
  }

  private fromClient(bytes: Buffer): void {
    if (this.name === '') {
      this.name = isStartUp(bytes) ? nameOfStartUp(bytes) : firstLineOf(bytes);
      if (this.name !== '') this.options.onNamed();
    }
    this.doom ??= this.options.isDoomed(bytes);
    if (this.options.isHeldFrom(bytes)) this.hold('to-server');
    this.forward('to-server', bytes);
  }

  private fromServer(bytes: Buffer): void {
    if (this.doom !== undefined) {
      this.options.counts.answers_cut += 1;
      this.cut();
      this.doom();
      return;
    }
    const left = this.name.endsWith('listener') ? this.filter.filter(bytes) : bytes;
    if (left.length > 0) this.forward('to-client', left);
  }

  private forward(direction: Direction, bytes: Buffer): void {
    const to = direction === 'to-server' ? this.server : this.client;
    const send = () => {
      const held = this.held.get(direction);
      if (held === undefined) {
        if (!to.destroyed) to.write(bytes);
      } else {
        this.options.counts.held += 1;
        held.push(bytes);
      }
    };
    const late = this.options.delay();
    // Timers of one length fire in the order in which they were set, so that bytes stay in order.
    if (late > 0) {
      this.options.counts.late += 1;
      setTimeout(send, late);
    } else send();
  }
}
