import { Inject, Injectable } from '@nestjs/common';
import { Database, type Queryable } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { Priority } from '../protocol/priority.js';
import type { LaneRequirement } from './lane-requirement.js';

export interface LaneKey {
  tenant_id: string;
  queue: string;
  priority: Priority;
  requirement: LaneRequirement;
  requirement_hash: string;
}

export interface Lane extends LaneKey {
  id: number;
}

/** Distinct requirements of one tenant; more is a client that puts a job's identity into its labels. */
export const MAX_REQUIREMENTS = 1000;

const LANE = 'l.id, l.tenant_id, l.queue, l.priority, l.requirement, l.requirement_hash';

const FIND_LANE = statement(
  'FindLane',
  `SELECT ${LANE} FROM ffmpeg_master.lanes l
   WHERE l.tenant_id = $1 AND l.queue = $2 AND l.priority = $3 AND l.requirement_hash = $4`,
  { hot: true },
);

// The count is off the hot path: a lane is made once and found in memory ever after. What asks for nothing always has one.
const CREATE_LANE = statement(
  'CreateLane',
  `WITH queue AS (
     INSERT INTO ffmpeg_master.queues (name) VALUES ($2) ON CONFLICT DO NOTHING
   )
   INSERT INTO ffmpeg_master.lanes AS l (tenant_id, queue, priority, requirement, requirement_hash)
   SELECT $1, $2, $3, $5::jsonb, $4
   WHERE $5::jsonb = '{}' OR
         (SELECT count(DISTINCT o.requirement_hash) FROM ffmpeg_master.lanes o
          WHERE o.tenant_id = $1 AND o.requirement_hash <> $4) < $6
   ON CONFLICT DO NOTHING
   RETURNING ${LANE}`,
  { hot: true },
);

const LIST_LANES = statement(
  'ListLanes',
  `SELECT ${LANE} FROM ffmpeg_master.lanes l WHERE l.id = ANY($1::int[])`,
  { hot: true },
);

@Injectable()
export class LanesRepository {
  constructor(@Inject(Database) private readonly database: Queryable) {}

  /** Undefined where the tenant has too many requirements already. */
  async findOrCreate(key: LaneKey): Promise<Lane | undefined> {
    const identity = [key.tenant_id, key.queue, key.priority, key.requirement_hash];
    const [found] = await this.database.query<Lane>(FIND_LANE, identity);
    if (found) return found;
    const [created] = await this.database.query<Lane>(CREATE_LANE, [
      ...identity,
      JSON.stringify(key.requirement),
      MAX_REQUIREMENTS,
    ]);
    if (created) return created;
    // Another master was first: its row was not in the snapshot of the statement that waited for it.
    const [others] = await this.database.query<Lane>(FIND_LANE, identity);
    return others;
  }

  list(ids: readonly number[]): Promise<Lane[]> {
    return this.database.query<Lane>(LIST_LANES, [ids]);
  }
}
