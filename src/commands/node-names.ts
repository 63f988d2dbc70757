/** Nodes as people call them: by id, or by a name that only one node has. */
import type { NodeView } from '../nodes/node-view.js';
import { Failure } from './failures.js';
import type { RestClient } from './rest/rest-client.js';

/** No node has the name, or several have it. */
export class NotOneNode extends Failure {
  override readonly name = 'NotOneNode';
}

/** The id of a node. @throws NotOneNode where no node has the name, or several have it. */
export async function nodeId(client: Pick<RestClient, 'get'>, idOrName: string): Promise<string> {
  if (UUID.test(idOrName)) return idOrName;
  const named = (await allNodes(client)).filter(({ name }) => name === idOrName);
  const [node] = named;
  if (node === undefined)
    throw new NotOneNode(`no node is called ${idOrName}; \`ffmpeg-master nodes list\` shows all of them`);
  if (named.length > 1) {
    throw new NotOneNode(
      `${named.length} nodes are called ${idOrName}; name one by its id: ${named.map(({ id, status }) => `${id} (${status})`).join(', ')}`,
    );
  }
  return node.id;
}

export async function allNodes(client: Pick<RestClient, 'get'>): Promise<NodeView[]> {
  const items: NodeView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.get<{ items: NodeView[]; next_cursor: string | null }>('/nodes', { cursor });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
