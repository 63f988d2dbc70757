/** `keys …`: who may do what, each by a key that can be taken back. */
import { type Command, Option } from 'commander';
import type { ApiKeyView, MintedApiKeyView } from '../access/api-key-row.js';
import { ROLES } from '../access/permissions.js';
import { addClientFlags, type ClientFlags, printJson, withClient } from './rest/client-flags.js';
import type { RestClient } from './rest/rest-client.js';
import { several, wholeNumber } from './terminal/arguments.js';
import { formatAge } from './terminal/figures.js';
import { renderTable } from './terminal/table.js';

interface CreateFlags extends ClientFlags {
  readonly role: string;
  readonly scope?: string[];
  readonly expires?: string;
}

interface RotateFlags extends ClientFlags {
  readonly overlap?: number;
}

const MONTH_SECONDS = 2_592_000;

export function define(command: Command): void {
  addClientFlags(
    command
      .command('create')
      .description('make a key; it is printed once, and kept nowhere')
      .argument('<name>', 'what it is for, such as ci')
      .addOption(new Option('--role <role>', 'what it may do').choices(ROLES).makeOptionMandatory())
      .option('--scope <permission>', 'only this of the role; may be given several times', several)
      .option('--expires <time>', 'such as 2030-01-01T00:00:00Z; default never'),
  ).action(async (name: string, flags: CreateFlags) =>
    withClient(flags, async (client) => {
      const { role, scope: scopes, expires: expires_at } = flags;
      tell(await client.post<MintedApiKeyView>('/keys', { name, role, scopes, expires_at }), flags);
    }),
  );
  addClientFlags(
    command
      .command('list')
      .description('list keys, without what is secret of them')
      .option('--all', 'also those that are revoked or expired'),
  ).action(async (flags: ClientFlags & { all?: boolean }) =>
    withClient(flags, async (client) => {
      const items = await allKeys(client, flags.all === true);
      if (flags.output === 'json') return printJson({ items, next_cursor: null });
      process.stdout.write(items.length === 0 ? 'no keys\n' : `${keyTable(items)}\n`);
    }),
  );
  addClientFlags(
    command
      .command('rotate')
      .description('make a key that takes the place of another; the old one works on for a while')
      .argument('<id>', 'as `keys list` shows it')
      .option(
        '--overlap <seconds>',
        'for how long the old key still works (default: a day)',
        wholeNumber(0, MONTH_SECONDS),
      ),
  ).action(async (id: string, flags: RotateFlags) =>
    withClient(flags, async (client) => {
      const body = { overlap_seconds: flags.overlap };
      tell(await client.post<MintedApiKeyView>(`/keys/${encodeURIComponent(id)}/rotate`, body), flags);
    }),
  );
  addClientFlags(
    command
      .command('revoke')
      .description('end keys at once, at all masters')
      .argument('<id...>', 'as `keys list` shows them'),
  ).action(async (ids: string[], flags: ClientFlags) =>
    withClient(flags, async (client) => {
      for (const id of ids) {
        const key = await client.delete<ApiKeyView>(`/keys/${encodeURIComponent(id)}`);
        if (flags.output === 'json') printJson(key);
        else process.stdout.write(`key ${key.prefix} (${key.name}) is revoked\n`);
      }
    }),
  );
}

/** The key alone on standard output, so that it can be sent into a file; the words about it beside. */
function tell(made: MintedApiKeyView, flags: ClientFlags): void {
  if (flags.output === 'json') return printJson(made);
  process.stderr.write(
    `key ${made.id} (${made.name}, ${made.role}): keep it now, it is shown once and kept nowhere\n`,
  );
  process.stdout.write(`${made.key}\n`);
}

async function allKeys(client: RestClient, all: boolean): Promise<ApiKeyView[]> {
  const items: ApiKeyView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.get<{ items: ApiKeyView[]; next_cursor: string | null }>('/keys', {
      cursor,
      all: all ? 'true' : undefined,
    });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

export function keyTable(keys: readonly ApiKeyView[]): string {
  return renderTable(
    [
      { title: 'ID', value: (key: ApiKeyView) => key.id },
      { title: 'PREFIX', value: (key) => key.prefix },
      { title: 'NAME', value: (key) => key.name, narrow: 'cut' },
      { title: 'ROLE', value: (key) => key.role },
      { title: 'STATUS', value: (key) => statusOf(key) },
      { title: 'USED', value: (key) => formatAge(key.last_used_at), align: 'right' },
    ],
    keys,
  );
}

function statusOf({ revoked_at, expires_at }: ApiKeyView): string {
  if (revoked_at !== null) return 'revoked';
  if (expires_at === null) return 'live';
  return Date.parse(expires_at) <= Date.now() ? 'expired' : `until ${expires_at.slice(0, 16)}Z`;
}
