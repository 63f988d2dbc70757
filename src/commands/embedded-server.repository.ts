import type { Queryable } from '../database/database.js';
import { statement } from '../database/statement.js';

const COUNT_OTHER_SESSIONS = statement(
  'CountOtherSessions',
  `SELECT count(*)::integer AS sessions FROM pg_stat_activity
   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
);

export class EmbeddedServerRepository {
  constructor(private readonly database: Queryable) {}

  async countOtherSessions(): Promise<number> {
    const [row] = await this.database.query<{ sessions: number }>(COUNT_OTHER_SESSIONS);
    return row?.sessions ?? 0;
  }
}
