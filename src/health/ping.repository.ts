import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';

const PING = statement('HealthPing', 'SELECT 1', { hot: true });

@Injectable()
export class PingRepository {
  constructor(private readonly database: Database) {}

  async ping(): Promise<void> {
    await this.database.query(PING);
  }
}
