import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { useDatabase } from '../../../test/support/database.js';
import { Settings } from '../../config/settings.js';
import type { Check } from './check.js';
import { checkDatabase } from './database-checks.js';

async function examine(dsn: string, replica_dsn?: string): Promise<Map<string, Check>> {
  const settings = new Settings();
  Object.assign(settings.database, { type: 'postgres', dsn, direct_dsn: dsn, migrate_dsn: dsn, replica_dsn });
  const checks: Check[] = [];
  for await (const check of checkDatabase(settings)) checks.push(check);
  return new Map(checks.map((check) => [check.name, check]));
}

describe('doctor on a migrated database', () => {
  const database = useDatabase();

  it('finds it reachable, whole and usable', async () => {
    const checks = await examine(database.dsn);
    for (const name of [
      'database',
      'direct connection',
      'migrations',
      'rights',
      'connections',
      'clock',
      'dead rows',
    ]) {
      expect([name, checks.get(name)?.verdict]).toEqual([name, 'ok']);
    }
    // The test server trades safety for speed, which a real one must not.
    expect(checks.get('durability')?.verdict).toBe('fail');
    expect(checks.get('time-outs')?.verdict).toBe('ok');
  });

  it('shows no password', async () => {
    const { password } = new URL(database.dsn);
    expect(password).not.toBe('');
    expect(JSON.stringify([...(await examine(database.dsn)).values()])).not.toContain(password);
  });

  it('tells how far the read replica is behind, where one is set', async () => {
    expect((await examine(database.dsn)).has('read replica')).toBe(false);
    const found = await examine(database.dsn, database.dsn);
    expect(found.get('read replica')?.verdict).toBe('ok');
    const away = await examine(database.dsn, 'postgresql://u:hidden@127.0.0.1:1/d');
    expect(away.get('read replica')?.verdict).toBe('warn');
    expect(JSON.stringify(away.get('read replica'))).not.toContain('hidden');
  });

  it('names a table that the role may not use', async () => {
    const admin = new pg.Client({ connectionString: database.adminDsn });
    await admin.connect();
    const role = new URL(database.adminDsn).pathname.slice(1).replace('test_', 'role_');
    try {
      await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'a-password'`);
      await admin.query(`GRANT USAGE ON SCHEMA ffmpeg_master TO ${role}`);
      await admin.query(`GRANT ALL ON ALL SEQUENCES IN SCHEMA ffmpeg_master TO ${role}`);
      await admin.query(
        `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ffmpeg_master TO ${role}`,
      );
      await admin.query(`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ffmpeg_master TO ${role}`);
      await admin.query(`REVOKE UPDATE ON ffmpeg_master.leases FROM ${role}`);
      const url = new URL(database.dsn);
      url.username = role;
      url.password = 'a-password';
      const checks = await examine(url.toString());
      expect(checks.get('rights')).toMatchObject({ verdict: 'fail', found: `${role} may not use leases` });
      expect(checks.get('roles')?.verdict).toBe('warn');
    } finally {
      await admin.query(`DROP OWNED BY ${role}`);
      await admin.query(`DROP ROLE ${role}`);
      await admin.end();
    }
  });
});

describe('doctor elsewhere', () => {
  const empty = useDatabase({ migrated: false });

  it('says that the schema is missing', async () => {
    const checks = await examine(empty.dsn);
    expect(checks.get('migrations')?.verdict).toBe('warn');
    expect(checks.has('rights')).toBe(false);
  });

  it('fails where nothing listens, and looks no further', async () => {
    const checks = await examine('postgresql://u:hidden@127.0.0.1:1/d');
    expect([...checks.keys()]).toEqual(['database']);
    expect(checks.get('database')?.verdict).toBe('fail');
    expect(JSON.stringify(checks.get('database'))).not.toContain('hidden');
  });
});
