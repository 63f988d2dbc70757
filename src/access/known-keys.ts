/**
 * The keys that were used at this master, in memory: a request costs no round trip and no digest once its key is known.
 *
 * A change of a key is heard of by signal within milliseconds. Should the signal be lost, the version of all keys, which
 * rises with each change, is read at every resync (each `signals.poll_interval`), and what is in memory is read again.
 */
import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Grouped } from '../database/grouped.js';
import { StatementGroups } from '../database/statement-groups.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Signals } from '../signals/signals.js';
import { digestOfKey, prefixOfKey } from './api-key.js';
import { permissionsOf } from './api-key-row.js';
import { ApiKeysRepository, type KnownKeyRow } from './api-keys.repository.js';
import type { Principal } from './principal.js';

/** Of a few hundred bytes each; the oldest make room. A fleet of 10,000 nodes with a key each fits. */
const MOST = 20_000;
/** Whatever signals and versions say, what is in memory is read again after as many milliseconds. */
const READ_AGAIN_AFTER = 60_000;
const NOTE_USE_EVERY = 60_000;

interface KnownKey {
  readonly id: string;
  readonly prefix: string;
  readonly principal: Principal;
  /** By performance.now(). */
  readonly until: number;
  used: boolean;
}

@Injectable()
export class KnownKeys implements OnModuleInit, OnModuleDestroy {
  /**
   * By the key itself. A map compares texts only where their hashes, seeded anew in each process, are equal, so that it
   * tells no more of a key by its time than the comparison of digests does.
   */
  private readonly keys = new Map<string, KnownKey>();
  private readonly look: Grouped<string, KnownKeyRow | undefined>;
  private readonly unsubscribe: (() => void)[] = [];
  private version: number | undefined;
  private readAt = 0;
  private syncing: Promise<void> | undefined;
  /** Rises with each change that was heard of: what was read before it may be what changed. */
  private changes = 0;
  private noting: NodeJS.Timeout | undefined;

  constructor(
    private readonly repository: ApiKeysRepository,
    private readonly signals: Signals,
    groups: StatementGroups,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.look = groups.make({ name: 'find_keys', run: (prefixes: readonly string[]) => this.find(prefixes) });
  }

  onModuleInit(): void {
    this.unsubscribe.push(
      this.signals.on('key', (id) => this.forget(id)),
      this.signals.onResync(() => void this.sync().catch(() => undefined)),
    );
    this.noting = setInterval(() => void this.noteUse(), NOTE_USE_EVERY).unref();
  }

  async onModuleDestroy(): Promise<void> {
    for (const off of this.unsubscribe) off();
    clearInterval(this.noting);
    await this.noteUse();
  }

  /** Whose key it is. Throws where the database has to be asked and is away. */
  async verify(key: string): Promise<Principal | undefined> {
    const known = this.keys.get(key);
    if (known !== undefined && performance.now() < known.until) {
      known.used = true;
      return known.principal;
    }
    this.keys.delete(key);
    const prefix = prefixOfKey(key);
    if (prefix === undefined) return undefined;
    const row = await this.read(prefix);
    if (row === undefined || !timingSafeEqual(row.digest, digestOfKey(key))) return undefined;
    return this.remember(key, row)?.principal;
  }

  private async read(prefix: string): Promise<KnownKeyRow | undefined> {
    for (;;) {
      const { changes } = this;
      const row = await this.look.add(prefix);
      if (changes === this.changes) return row;
    }
  }

  /** A key was revoked, or ends sooner. */
  forget(id: string): void {
    this.changes += 1;
    for (const [key, known] of this.keys) if (known.id === id) this.keys.delete(key);
  }

  /** Brings the copy in line with the table. */
  sync(): Promise<void> {
    this.syncing ??= this.compare().finally(() => (this.syncing = undefined));
    return this.syncing;
  }

  private async compare(): Promise<void> {
    const version = await this.repository.version();
    const readAt = performance.now();
    if (version === this.version && readAt - this.readAt < READ_AGAIN_AFTER) return;
    this.changes += 1;
    const held = [...this.keys];
    const rows = new Map(
      (await this.repository.find(held.map(([, { prefix }]) => prefix))).map((row) => [row.prefix, row]),
    );
    for (const [key, known] of held) {
      // Forgotten or read anew meanwhile: what that says is newer.
      if (this.keys.get(key) !== known) continue;
      const row = rows.get(known.prefix);
      const same = row !== undefined && timingSafeEqual(row.digest, digestOfKey(key));
      if (!same || this.remember(key, row) === undefined) this.keys.delete(key);
    }
    this.version = version;
    this.readAt = readAt;
  }

  private remember(key: string, row: KnownKeyRow): KnownKey | undefined {
    const { id, prefix, tenant_id, node_id, remaining } = row;
    if (remaining !== null && remaining <= 0) return undefined;
    const known: KnownKey = {
      id,
      prefix,
      principal: {
        tenant_id,
        actor: prefix,
        key_id: id,
        permissions: permissionsOf(row),
        ...(node_id !== null && { node_id }),
      },
      until: remaining === null ? Infinity : performance.now() + remaining,
      used: true,
    };
    if (!this.keys.has(key) && this.keys.size >= MOST) {
      const [oldest] = this.keys.keys();
      if (oldest !== undefined) this.keys.delete(oldest);
    }
    this.keys.set(key, known);
    return known;
  }

  private async find(prefixes: readonly string[]): Promise<(KnownKeyRow | undefined)[]> {
    const rows = new Map((await this.repository.find(prefixes)).map((row) => [row.prefix, row]));
    return prefixes.map((prefix) => rows.get(prefix));
  }

  /** A time that was not written is no loss: the next minute's is. */
  private async noteUse(): Promise<void> {
    const used = [...this.keys.values()].filter((known) => known.used);
    if (used.length === 0) return;
    for (const known of used) known.used = false;
    await this.repository
      .noteUse([...new Set(used.map(({ id }) => id))])
      .catch((error: unknown) => this.logger.debug({ err: error }, 'the last use of keys was not written'));
  }
}
