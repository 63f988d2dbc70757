/** Brings nodes over: few, so all at once, and by halves where the database refuses one of them. */
import type { Finding } from './findings.js';
import { inHalves } from './in-halves.js';
import type { ImportRepository } from './import.repository.js';
import { type ImportedNode, readNode } from './imported-node.js';
import type { ImportSource } from './import-source.js';

export interface NodeCounts {
  readonly read: number;
  readonly imported: number;
  readonly present: number;
  /** By the database; each of them is a finding. */
  readonly refused: number;
  /** Missing or different after all, each of them a finding. */
  readonly differing: number;
}

export interface NodeOptions {
  readonly zone: string;
  readonly dryRun: boolean;
  readonly tell: (finding: Finding) => void;
}

export async function importNodes(
  source: ImportSource,
  repository: ImportRepository,
  { zone, dryRun, tell }: NodeOptions,
): Promise<NodeCounts> {
  const nodes = new Map<string, ImportedNode>();
  let read = 0;
  for await (const row of source.rows('nodes')) {
    read += 1;
    const node = readNode(row, zone, tell);
    if (nodes.has(node.id)) about(node.id, 'id', "is another node's too; the first one is kept");
    else nodes.set(node.id, node);
  }
  const all = [...nodes.values()];
  if (dryRun) return rehearse();

  const refused = new Set<string>();
  let imported = 0;
  await inHalves(
    all,
    async (part) => void (imported += (await repository.insertNodes(part)).length),
    ({ id }, error) => {
      refused.add(id);
      tell({ what: 'node', id, problem: `was not imported: PostgreSQL refused it: ${error.message}` });
    },
  );
  // Told at each run, so that the report of one that goes on is whole.
  let differing = 0;
  for (const { id, name, given_name, missing, differs } of await repository.compareNodes(
    all.filter(({ id }) => !refused.has(id)),
  )) {
    if (missing || differs) {
      differing += 1;
      tell({
        what: 'node',
        id,
        problem: missing ? 'is not there, though it was read' : 'differs from what was read',
      });
    } else if (name !== given_name)
      about(id, 'address', `gives a name that another node had; it arrived as ${name}`, given_name);
  }
  const present = all.length - imported - refused.size;
  return { read, imported, present, refused: refused.size, differing };

  async function rehearse(): Promise<NodeCounts> {
    const found = await repository.findNodes(all);
    const [ids, names] = [new Set(found.map(({ id }) => id)), new Set(found.map(({ name }) => name))];
    const coming = all.filter(({ id }) => !ids.has(id));
    for (const { id, registration } of coming) {
      if (names.has(registration.name))
        about(
          id,
          'address',
          'gives a name that another node has; it will get another one',
          registration.name,
        );
      names.add(registration.name);
    }
    return { read, imported: coming.length, present: all.length - coming.length, refused: 0, differing: 0 };
  }

  function about(id: string, column: string, problem: string, value?: string): void {
    tell({ what: 'node', id, column, problem, ...(value !== undefined && { value }) });
  }
}
