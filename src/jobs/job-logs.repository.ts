import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import { TODAY } from './job-columns.js';

export interface LogChunkRow {
  lease_token: number;
  start_offset: number;
  text: string;
}

export interface NewLogChunk {
  job_id: string;
  lease_token: number;
  offset: number;
  text: string;
}

/** Characters that one attempt may log; what comes after is refused. */
export const MAX_LOG_LENGTH = 4_000_000;

// Only the holder of the lease writes; a chunk sent again is the same row again.
const APPEND_LOGS = statement(
  'AppendJobLogs',
  `WITH input AS MATERIALIZED (
     SELECT * FROM json_to_recordset($1::json) AS i(ordinal int, job_id uuid, lease_token bigint, "offset" bigint, text text)
   ),
   held AS MATERIALIZED (
     SELECT i.* FROM input i JOIN ffmpeg_master.leases l
       ON l.lease_token = i.lease_token AND l.job_id = i.job_id AND NOT l.revoked
   ),
   written AS (
     INSERT INTO ffmpeg_master.job_logs (day, job_id, lease_token, start_offset, text)
     SELECT DISTINCT ON (h.job_id, h.lease_token, h."offset") ${TODAY}, h.job_id, h.lease_token, h."offset", h.text
     FROM held h WHERE h."offset" + length(h.text) <= ${MAX_LOG_LENGTH}
     ORDER BY h.job_id, h.lease_token, h."offset"
     ON CONFLICT DO NOTHING
   )
   SELECT h.ordinal FROM held h`,
  { hot: true },
);

// DISTINCT: a chunk that was sent again after midnight is a row of both days.
const READ_LOGS = statement(
  'ReadJobLogs',
  `SELECT DISTINCT ON (g.lease_token, g.start_offset) g.lease_token, g.start_offset, g.text
   FROM ffmpeg_master.job_logs g
   WHERE g.day = ANY($1::date[]) AND g.job_id = $2 AND (g.lease_token, g.start_offset) > ($3, $4)
   ORDER BY g.lease_token, g.start_offset LIMIT $5`,
  { prepared: false },
);

@Injectable()
export class JobLogsRepository {
  constructor(private readonly database: Database) {}

  /** Answers the ordinals of the chunks whose lease stands. */
  async append(chunks: readonly NewLogChunk[]): Promise<Set<number>> {
    const input = JSON.stringify(chunks.map((chunk, ordinal) => ({ ordinal, ...chunk })));
    const rows = await this.database.query<{ ordinal: number }>(APPEND_LOGS, [input]);
    return new Set(rows.map((row) => row.ordinal));
  }

  read(days: readonly string[], job_id: string, after: LogPosition, limit: number): Promise<LogChunkRow[]> {
    return this.database.query<LogChunkRow>(READ_LOGS, [
      days,
      job_id,
      after.lease_token,
      after.start_offset,
      limit,
    ]);
  }
}

export interface LogPosition {
  lease_token: number;
  start_offset: number;
}
