/** `nodes …`: the worker machines. */
import type { Command } from 'commander';
import type { NodeView } from '../nodes/node-view.js';
import { Failure } from './failures.js';
import { allNodes, NotOneNode, nodeId } from './node-names.js';
import { addClientFlags, type ClientFlags, printJson, withClient } from './rest/client-flags.js';
import { Refusal } from './rest/refusal.js';
import type { RestClient } from './rest/rest-client.js';
import { formatAge, formatSize } from './terminal/figures.js';
import { renderPairs, renderTable } from './terminal/table.js';

export function define(command: Command): void {
  addClientFlags(command.command('list').description('list nodes')).action(async (flags: ClientFlags) =>
    withClient(flags, (client) => list(client, flags)),
  );
  addClientFlags(
    command
      .command('show')
      .description('show one node')
      .argument('<node>', 'its id, or its name where no other has it'),
  ).action(async (idOrName: string, flags: ClientFlags) =>
    withClient(flags, async (client) => {
      const node = await client.get<NodeView>(`/nodes/${await nodeId(client, idOrName)}`);
      if (flags.output === 'json') return printJson(node);
      process.stdout.write(`${nodePage(node)}\n`);
    }),
  );
  defineChange(
    command,
    'drain',
    'give nodes no further jobs; what runs there may finish',
    'is draining',
    (client, id) => client.post(`/nodes/${encodeURIComponent(id)}/drain`),
  );
  defineChange(command, 'resume', 'give drained nodes jobs again', 'takes jobs', (client, id) =>
    client.post(`/nodes/${encodeURIComponent(id)}/resume`),
  );
  defineChange(command, 'remove', 'forget nodes', 'is removed', (client, id) =>
    client.delete(`/nodes/${encodeURIComponent(id)}`),
  );
}

function defineChange(
  nodes: Command,
  name: string,
  summary: string,
  done: string,
  change: (client: RestClient, id: string) => Promise<unknown>,
): void {
  addClientFlags(nodes.command(name).description(summary).argument('<node...>', 'their ids or names')).action(
    async (ids: string[], flags: ClientFlags) =>
      withClient(flags, async (client) => {
        const answers: unknown[] = [];
        const refused: string[] = [];
        for (const id of ids) {
          try {
            answers.push(await change(client, await nodeId(client, id)));
            if (flags.output === 'table') process.stdout.write(`node ${id} ${done}\n`);
          } catch (error) {
            const told = error instanceof NotOneNode || (error instanceof Refusal && error.status !== 401);
            if (!told) throw error;
            refused.push(ids.length > 1 ? `${id}: ${error.message}` : error.message);
          }
        }
        const answered = answers.filter((answer) => answer !== undefined);
        if (flags.output === 'json' && answered.length > 0) {
          printJson(ids.length === 1 ? answered[0] : { items: answered });
        }
        if (refused.length > 0) throw new Failure(refused.join('\nffmpeg-master: '));
      }),
  );
}

async function list(client: RestClient, flags: ClientFlags): Promise<void> {
  const items = await allNodes(client);
  if (flags.output === 'json') return printJson({ items, next_cursor: null });
  process.stdout.write(items.length === 0 ? 'no nodes\n' : `${nodeTable(items)}\n`);
}

export function nodeTable(nodes: readonly NodeView[]): string {
  return renderTable(
    [
      { title: 'ID', value: (node: NodeView) => node.id },
      { title: 'NAME', value: (node) => node.name, narrow: 'cut' },
      { title: 'STATUS', value: (node) => node.status },
      { title: 'BUSY', value: (node) => `${node.running}/${node.slots}`, align: 'right' },
      { title: 'CPUS', value: (node) => node.cpu_threads, align: 'right' },
      { title: 'SEEN', value: (node) => formatAge(node.seen_at), align: 'right' },
    ],
    nodes,
  );
}

function nodePage(node: NodeView): string {
  return renderPairs([
    ['node', node.name],
    ['id', node.id],
    ['status', node.status],
    ['address', node.address],
    ['slots', `${node.running} of ${node.slots} busy`],
    ['queues', node.queues.join(', ') || 'all'],
    ['cpu', `${node.cpu_threads} threads, ${node.cpu_model}`],
    ['load', typeof node.cpu_load_percent === 'number' ? `${Math.round(node.cpu_load_percent)}%` : undefined],
    ['memory', formatSize(node.ram_total_bytes)],
    ['memory free', formatSize(node.ram_free_bytes)],
    ['gpus', node.gpus.map(({ name }) => name).join(', ')],
    ['ffmpeg', node.ffmpeg_version],
    ['encoders', node.encoders.join(' ')],
    [
      'labels',
      Object.entries(node.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
    ],
    ['registered', node.registered_at],
    ['seen', node.seen_at],
  ]);
}
