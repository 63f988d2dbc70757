import pg from 'pg';
import { migrate } from '../../src/database/migrations.js';
import { migratedTemplate, withDatabase } from './dsn.js';

/** Makes the database with the schema that each spec's own is copied from. */
export async function prepareTemplate(dsn: string): Promise<void> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  await client.query(`CREATE DATABASE ${migratedTemplate}`);
  await client.end();
  await migrate({ dsn: withDatabase(dsn, migratedTemplate) });
}
