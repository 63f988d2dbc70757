/** What a master remembers of keys, where a change meets a look that is under way. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { LocalSignals } from '../../test/support/local-signals.js';
import { Grouped, type GroupedOptions } from '../database/grouped.js';
import type { StatementGroups } from '../database/statement-groups.js';
import { mintKey } from './api-key.js';
import type { ApiKeysRepository, KnownKeyRow } from './api-keys.repository.js';
import { KnownKeys } from './known-keys.js';

const ID = '01998877-0000-7000-8000-000000000001';

it('reads a key again that was revoked while it was being read', async () => {
  const table = new KeyTable();
  const looking = table.keys.verify(table.key);
  const answer = await table.nextLook();
  table.revoke();
  table.signals.send('key', ID);
  answer();
  (await table.nextLook())();
  expect(await looking).toBeUndefined();
});

it('reads a key again whose signal was lost, where the version told of the change meanwhile', async () => {
  const table = new KeyTable();
  const looking = table.keys.verify(table.key);
  const answer = await table.nextLook();
  table.revoke();
  await table.keys.sync();
  answer();
  (await table.nextLook())();
  expect(await looking).toBeUndefined();
});

it('does not remember again what was forgotten while all was compared', async () => {
  const table = new KeyTable();
  const first = table.keys.verify(table.key);
  (await table.nextLook())();
  expect(await first).toMatchObject({ tenant_id: 'default' });

  table.version += 1;
  const comparing = table.keys.sync();
  const compared = await table.nextLook();
  table.revoke();
  table.signals.send('key', ID);
  compared();
  await comparing;
  const again = table.keys.verify(table.key);
  (await table.nextLook())();
  expect(await again).toBeUndefined();
});

/** One key in a table whose answers come when the test lets them; what they say is of the time of the question. */
class KeyTable {
  readonly signals = new LocalSignals();
  readonly keys: KnownKeys;
  readonly key: string;
  version = 1;
  private row: KnownKeyRow;
  private readonly asked: (() => void)[] = [];
  private onAsked: (() => void) | undefined;

  constructor() {
    const { key, prefix, digest } = mintKey();
    this.key = key;
    this.row = {
      id: ID,
      prefix,
      digest,
      tenant_id: 'default',
      role: 'viewer',
      scopes: null,
      node_id: null,
      remaining: null,
    };
    const repository: Pick<ApiKeysRepository, 'find' | 'version' | 'noteUse'> = {
      find: (prefixes) => this.find(prefixes),
      version: () => Promise.resolve(this.version),
      noteUse: () => Promise.resolve(),
    };
    const groups = {
      make: <Item, Result>(options: Omit<GroupedOptions<Item, Result>, 'metrics' | 'reconnect'>) =>
        new Grouped({ ...options, reconnect: () => Promise.resolve() }),
    };
    this.keys = new KnownKeys(
      repository as ApiKeysRepository,
      this.signals,
      groups as StatementGroups,
      pino({ level: 'silent' }),
    );
    this.signals.on('key', (id) => this.keys.forget(id));
  }

  revoke(): void {
    this.row = { ...this.row, remaining: 0 };
    this.version += 1;
  }

  /** Resolves once a question is there, to what answers it. */
  async nextLook(): Promise<() => void> {
    if (this.asked.length === 0) await new Promise<void>((resolve) => (this.onAsked = resolve));
    return this.asked.shift() as () => void;
  }

  private async find(prefixes: readonly string[]): Promise<KnownKeyRow[]> {
    const { row } = this;
    // A comparison of nothing is answered at once.
    if (prefixes.length > 0) {
      await new Promise<void>((answer) => {
        this.asked.push(answer);
        this.onAsked?.();
        this.onAsked = undefined;
      });
    }
    return prefixes.includes(row.prefix) ? [row] : [];
  }
}
