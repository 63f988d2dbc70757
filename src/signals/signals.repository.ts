import type { Queryable } from '../database/database.js';
import { statement } from '../database/statement.js';
import { CHANNEL } from './listener.js';

const SendListenerBeat = statement('SendListenerBeat', 'SELECT pg_notify($1, $2)', { onePlan: true });

export class SignalsRepository {
  constructor(private readonly database: Queryable) {}

  async sendBeat(payload: string): Promise<void> {
    await this.database.query(SendListenerBeat, [CHANNEL, payload]);
  }
}
