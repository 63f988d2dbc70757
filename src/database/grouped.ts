/**
 * Group commit for statements: what arrives while the last statement is in flight rides in the next one.
 *
 * One round trip costs a master more than its whole HTTP stack, so concurrent claims, reports and
 * heartbeats share statements. Nothing that somebody waits for waits for company: an idle group sends what came within
 * the same turn of the event loop, unless it is told to `gather` (heartbeats are,
 * adr/0024). A group that fails is repeated one by one, so that only the guilty member fails,
 * unless no member can be to blame (a statement that took too long, a full disk).
 * A group whose fate is unknown, because the connection was lost, is repeated once as a whole: its members
 * carry ids made beforehand, so a repeat does no harm.
 */
import type { DatabaseMetrics } from './database.metrics.js';
import { Overloaded } from './overloaded.js';
import { isConnectionLost, isDeadlock, isLockTimeout, isRetriable } from './sql-errors.js';

/**
 * Members of one group that may each wait for a lock in vain, 2 s each. One row that somebody holds then stops the
 * rest of its group for 4 s, and not for as long as it is held.
 */
export const MAX_LOCK_TIMEOUTS = 3;

export interface GroupedOptions<Item, Result> {
  /** Label of the metrics: `reports`. */
  readonly name: string;
  /** Does the work of all items at once; answers one result an item, in their order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Most items in one run; default 1,000. */
  readonly max_group?: number;
  /** Most items that wait; more are refused with `Overloaded`. Default 10,000. */
  readonly max_queued?: number;
  /** Milliseconds that the first item of an idle group waits for company; default none. */
  readonly gather?: number;
  /** Runs at the same time; default 1. */
  readonly in_flight?: number;
  /** Awaited before a repeat after a lost connection: `() => database.whenConnected(5000)`. */
  readonly reconnect?: () => Promise<void>;
  readonly metrics?: DatabaseMetrics;
}

interface Member<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class Grouped<Item, Result> {
  readonly #options: GroupedOptions<Item, Result>;
  readonly #maxGroup: number;
  readonly #maxQueued: number;
  readonly #maxInFlight: number;
  #queue: Member<Item, Result>[] = [];
  #inFlight = 0;
  #scheduled = false;
  #gathering: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(options: GroupedOptions<Item, Result>) {
    this.#options = options;
    this.#maxGroup = options.max_group ?? 1000;
    this.#maxQueued = options.max_queued ?? 10_000;
    this.#maxInFlight = options.in_flight ?? 1;
    options.metrics?.watchGroup(options.name, () => this.queued);
  }

  /** Items that wait for their run to begin. */
  get queued(): number {
    return this.#queue.length;
  }

  add(item: Item): Promise<Result> {
    if (this.#queue.length >= this.#maxQueued) {
      return Promise.reject(
        new Overloaded(
          `${this.#maxQueued} ${this.#options.name} wait for the database already; try again shortly.`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when everything that was added has its answer. */
  drain(): Promise<void> {
    if (this.#gathering) this.#start();
    if (this.#queue.length === 0 && this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** What came while a run was in flight has waited already. */
  #schedule({ waited = false } = {}): void {
    if (this.#inFlight >= this.#maxInFlight) return;
    const gather = waited || this.#queue.length >= this.#maxGroup ? undefined : this.#options.gather;
    if (gather !== undefined) {
      this.#gathering ??= setTimeout(() => this.#start(), gather);
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.#start());
    }
  }

  #start(): void {
    this.#scheduled = false;
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    while (this.#queue.length > 0 && this.#inFlight < this.#maxInFlight) void this.#runNext();
  }

  async #runNext(): Promise<void> {
    this.#inFlight += 1;
    const group = this.#queue.splice(0, this.#maxGroup);
    this.#options.metrics?.observeGroup(this.#options.name, group.length);
    try {
      await this.#settle(group);
    } finally {
      this.#inFlight -= 1;
      if (this.#queue.length > 0) this.#schedule({ waited: true });
      else if (this.#inFlight === 0) this.#idle.splice(0).forEach((resolve) => resolve());
    }
  }

  async #settle(group: readonly Member<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#runOrRepeat(group.map(({ item }) => item));
      group.forEach((member, index) => member.resolve(results[index] as Result));
    } catch (error) {
      if (group.length > 1 && (mayBeOneMembersFault(error) || isLockTimeout(error))) {
        await this.#settleOneByOne(group);
      } else {
        group.forEach((member) => member.reject(error));
      }
    }
  }

  /** Until it turns out that no member is to blame, or too many: those that are left are told the same. */
  async #settleOneByOne(group: readonly Member<Item, Result>[]): Promise<void> {
    let lockTimeouts = 0;
    for (const [index, member] of group.entries()) {
      try {
        const [result] = await this.#runOrRepeat([member.item]);
        member.resolve(result as Result);
      } catch (error) {
        member.reject(error);
        if (isLockTimeout(error)) lockTimeouts += 1;
        if (isLockTimeout(error) ? lockTimeouts < MAX_LOCK_TIMEOUTS : mayBeOneMembersFault(error)) continue;
        for (const other of group.slice(index + 1)) other.reject(error);
        return;
      }
    }
  }

  async #runOrRepeat(items: readonly Item[]): Promise<readonly Result[]> {
    try {
      return await this.#runOnce(items);
    } catch (error) {
      if (!isConnectionLost(error)) throw error;
      await this.#options.reconnect?.();
      return this.#runOnce(items);
    }
  }

  async #runOnce(items: readonly Item[]): Promise<readonly Result[]> {
    const results = await this.#options.run(items);
    if (results.length !== items.length) {
      throw new WrongResults(`${this.#options.name}: ${results.length} results for ${items.length} items`);
    }
    return results;
  }
}

class WrongResults extends Error {}

/** One by one, a thousand members of a group whose statement took too long would each take too long again. */
export function mayBeOneMembersFault(error: unknown): boolean {
  if (error instanceof Overloaded || error instanceof WrongResults) return false;
  return isDeadlock(error) || !isRetriable(error);
}
