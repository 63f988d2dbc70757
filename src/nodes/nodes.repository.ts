import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { NodeFigures, NodeRow } from './node-row.js';
import type { NodeStatus } from './node-view.js';

const COLUMNS = `n.id, n.tenant_id, n.name, n.given_name, n.address, n.instance_id, n.slots, n.queues,
  n.cpu_threads, n.cpu_model, n.ram_total_bytes, n.gpus, n.encoders, n.engines, n.ffmpeg_version, n.labels,
  n.status, n.draining, n.registered_at`;

const WITH_FIGURES = `${COLUMNS}, c.running, p.seen_at, p.cpu_load_percent, p.ram_free_bytes
  FROM ffmpeg_master.nodes n
  JOIN ffmpeg_master.node_counters c ON c.node_id = n.id
  JOIN ffmpeg_master.node_presence p ON p.node_id = n.id`;

const GET_NODE = statement('GetNode', `SELECT ${WITH_FIGURES} WHERE n.id = $1 AND n.tenant_id = $2`);

const LIST_NODES = statement(
  'ListNodes',
  `SELECT ${WITH_FIGURES}
   WHERE n.tenant_id = $1 AND n.id > $2
     AND ($3::text IS NULL
          OR $3 = CASE WHEN n.status = 'offline' THEN 'offline' WHEN n.draining THEN 'draining' ELSE 'online' END)
   ORDER BY n.id LIMIT $4`,
);

const LOAD_NODES = statement(
  'LoadNodes',
  `SELECT ${COLUMNS}, n.xmin::text AS version FROM ffmpeg_master.nodes n WHERE n.id = ANY($1::uuid[])`,
  { hot: true },
);

// xmin is a row's version for free: whoever changes a node need not remember to say so.
const LIST_NODE_VERSIONS = statement(
  'ListNodeVersions',
  `SELECT n.id, n.xmin::text AS version FROM ffmpeg_master.nodes n`,
);

// Each master asks once a second. The versions as they stand in the table, hashed as an array: 0.9 million instructions
// for 1,000 nodes, where a text of each row took 3.8; merely counting them takes 0.65.
const DIGEST_NODES = statement(
  'DigestNodes',
  `SELECT hash_array_extended(ARRAY(SELECT n.xmin FROM ffmpeg_master.nodes n), 0)::text AS digest`,
);

const SET_DRAINING = statement(
  'SetNodeDraining',
  `UPDATE ffmpeg_master.nodes SET draining = $3 WHERE id = $1 AND tenant_id = $2 RETURNING id`,
);

// The counter is locked as a claim locks it: either the claim was first and the node is kept, or the claim
// finds no counter any more and gets nothing.
const REMOVE_NODE = statement(
  'RemoveNode',
  `WITH locked AS MATERIALIZED (
     SELECT n.id, c.running
     FROM ffmpeg_master.nodes n JOIN ffmpeg_master.node_counters c ON c.node_id = n.id
     WHERE n.id = $1 AND n.tenant_id = $2
     FOR UPDATE OF n, c
   ), idle AS (
     SELECT id FROM locked WHERE running = 0
   ), removed AS (
     DELETE FROM ffmpeg_master.nodes n USING idle i WHERE n.id = i.id
   ), removed_counter AS (
     DELETE FROM ffmpeg_master.node_counters c USING idle i WHERE c.node_id = i.id
   ), removed_presence AS (
     DELETE FROM ffmpeg_master.node_presence p USING idle i WHERE p.node_id = i.id
   )
   SELECT running FROM locked`,
);

const REVIVE_NODES = statement(
  'ReviveNodes',
  `WITH locked AS MATERIALIZED (
     SELECT id FROM ffmpeg_master.nodes WHERE id = ANY($1::uuid[]) AND status = 'offline'
     ORDER BY id FOR UPDATE
   )
   UPDATE ffmpeg_master.nodes n SET status = 'online' FROM locked l WHERE n.id = l.id RETURNING n.id`,
  { hot: true },
);

export interface NodeVersion {
  id: string;
  version: string;
}

@Injectable()
export class NodesRepository {
  constructor(private readonly database: Database) {}

  async get(id: string, tenant_id: string): Promise<(NodeRow & NodeFigures) | undefined> {
    const [row] = await this.database.query<NodeRow & NodeFigures>(GET_NODE, [id, tenant_id]);
    return row;
  }

  /** Oldest first: ids are UUIDv7. `after` is the id of the last node of the page before. */
  list(tenant_id: string, after: string, status: NodeStatus | undefined, limit: number) {
    return this.database.query<NodeRow & NodeFigures>(LIST_NODES, [tenant_id, after, status ?? null, limit]);
  }

  load(ids: readonly string[]): Promise<(NodeRow & NodeVersion)[]> {
    return this.database.query(LOAD_NODES, [ids]);
  }

  versions(): Promise<NodeVersion[]> {
    return this.database.query(LIST_NODE_VERSIONS);
  }

  /** Differs whenever any node was changed, added or removed since. */
  async digest(): Promise<string | undefined> {
    const [row] = await this.database.query<{ digest: string }>(DIGEST_NODES);
    return row?.digest;
  }

  /** Answers whether there is such a node. */
  async setDraining(id: string, tenant_id: string, draining: boolean): Promise<boolean> {
    return (await this.database.query(SET_DRAINING, [id, tenant_id, draining])).length > 0;
  }

  /** Removes a node that runs nothing; answers how many attempts it runs, or undefined for no such node. */
  async remove(id: string, tenant_id: string): Promise<number | undefined> {
    const [row] = await this.database.query<{ running: number }>(REMOVE_NODE, [id, tenant_id]);
    return row?.running;
  }

  /** Brings the offline among them back online, and answers which those were. */
  async revive(ids: readonly string[]): Promise<string[]> {
    return (await this.database.query<{ id: string }>(REVIVE_NODES, [ids])).map(({ id }) => id);
  }
}
