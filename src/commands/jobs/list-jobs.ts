/** `jobs list`: so many jobs, or all, newest first. */
import type { Command } from 'commander';
import type { Job } from '../../protocol/job.js';
import { addClientFlags, type ClientFlags, printJson, withClient } from '../rest/client-flags.js';
import type { Query, RestClient } from '../rest/rest-client.js';
import { wholeNumber } from '../terminal/arguments.js';
import { jobTable } from './job-table.js';

interface Flags extends ClientFlags {
  readonly status?: string;
  readonly queue?: string;
  readonly node?: string;
  readonly tag?: string;
  readonly createdAfter?: string;
  readonly createdBefore?: string;
  readonly limit?: number;
  readonly all?: boolean;
}

/** Jobs shown without `--limit`. */
const DEFAULT_LIMIT = 50;

interface Page {
  readonly items: Job[];
  readonly next_cursor: string | null;
}

export function defineJobsList(command: Command): void {
  addClientFlags(command.description('list jobs, newest first'))
    .option('--status <states>', 'only these, comma separated, such as queued,running')
    .option('--queue <name>')
    .option('--node <id>', 'only those of this node')
    .option('--tag <tag>')
    .option('--created-after <time>', 'at this time or later, such as 2026-01-31T12:00:00Z')
    .option('--created-before <time>')
    .option('--limit <n>', 'how many (with --all: how many a request)', wholeNumber(1, 500))
    .option('--all', 'all pages')
    .action(async (flags: Flags) => withClient(flags, (client) => list(client, flags)));
}

async function list(client: RestClient, flags: Flags): Promise<void> {
  const query: Query = {
    status: flags.status,
    queue: flags.queue,
    node: flags.node,
    tag: flags.tag,
    created_after: flags.createdAfter,
    created_before: flags.createdBefore,
    limit: flags.limit,
  };
  const page = await readPages(client, query, flags.all ? Infinity : (flags.limit ?? DEFAULT_LIMIT));
  if (flags.output === 'json') return printJson(page);
  if (page.items.length === 0) return void process.stdout.write('no jobs\n');
  process.stdout.write(`${jobTable(page.items)}\n`);
  if (page.next_cursor !== null)
    process.stderr.write('there are more: --all shows them, --limit N changes how many\n');
}

/** A page of a filter that seldom fits may be short, or empty, and have a cursor all the same. */
export async function readPages(
  client: Pick<RestClient, 'get'>,
  query: Query,
  wanted: number,
): Promise<Page> {
  const items: Job[] = [];
  let cursor: string | undefined;
  do {
    const limit = wanted === Infinity ? (query.limit ?? 500) : wanted - items.length;
    const page = await client.get<Page>('/jobs', { ...definedOnly(query), limit, cursor });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && items.length < wanted);
  return { items, next_cursor: cursor ?? null };
}

function definedOnly(query: Query): Query {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
}
