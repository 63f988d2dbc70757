import { Injectable } from '@nestjs/common';
import type { Grouped } from '../database/grouped.js';
import { StatementGroups } from '../database/statement-groups.js';
import type { LogAnswer, LogChunk } from '../protocol/log-chunk.js';
import { conflict } from '../protocol/problem.js';
import { storableText } from '../protocol/storable.js';
import { History } from './history.js';
import { daysOfJob } from './job-days.js';
import {
  JobLogsRepository,
  MAX_LOG_LENGTH,
  type LogChunkRow,
  type LogPosition,
  type NewLogChunk,
} from './job-logs.repository.js';
import type { JobRow } from './job-row.js';

const CHUNKS_AT_ONCE = 256;

/** Logs outlive the job's last day a little: the last chunk may be sent after midnight. */
const DAYS_AT_ONCE = 7;

@Injectable()
export class JobLogsService {
  private readonly appends: Grouped<NewLogChunk, boolean>;

  constructor(
    private readonly repository: JobLogsRepository,
    private readonly history: History,
    groups: StatementGroups,
  ) {
    this.appends = groups.make({
      name: 'append_logs',
      max_group: 200,
      max_queued: 2000,
      run: async (chunks: readonly NewLogChunk[]) => {
        const written = await this.repository.append(chunks);
        return chunks.map((_, ordinal) => written.has(ordinal));
      },
    });
  }

  /** 409 where the lease is another's or over. What lies beyond 4,000,000 characters is dropped. */
  async append(job_id: string, chunk: LogChunk): Promise<LogAnswer> {
    const text = storableText(chunk.text);
    const held = await this.appends.add({
      job_id,
      lease_token: chunk.lease_token,
      offset: chunk.offset,
      text,
    });
    if (!held) throw conflict('This lease is over; its log takes no more.', { lease: 'lost' });
    return { next_offset: Math.min(chunk.offset + chunk.text.length, MAX_LOG_LENGTH) };
  }

  /** Chunks after a position, in order, and the position to go on from. */
  async read(job: JobRow, after: LogPosition): Promise<{ chunks: LogChunkRow[]; after: LogPosition }> {
    const [oldest] = await this.history.days();
    if (!oldest) return { chunks: [], after };
    const days = daysOfJob(job, oldest.day);
    for (let start = 0; start < days.length; start += DAYS_AT_ONCE) {
      const chunks = await this.repository.read(
        days.slice(start, start + DAYS_AT_ONCE),
        job.id,
        after,
        CHUNKS_AT_ONCE,
      );
      const end = chunks.at(-1);
      if (end) return { chunks, after: { lease_token: end.lease_token, start_offset: end.start_offset } };
    }
    return { chunks: [], after };
  }
}
