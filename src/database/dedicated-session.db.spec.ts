import { afterEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import {
  openSession,
  SessionTimeout,
  type DedicatedSession,
  type SessionOptions,
} from './dedicated-session.js';
import { isConnectionLost } from './sql-errors.js';
import { statement } from './statement.js';

const sleep = statement('Sleep', 'SELECT pg_sleep($1)', { prepared: false });

describe('a dedicated session', () => {
  const test = useDatabase({ migrated: false });
  const opened: DedicatedSession[] = [];

  async function open(options: Partial<SessionOptions> = {}): Promise<DedicatedSession> {
    const session = await openSession({ dsn: test.dsn, purpose: 'test', ...options });
    opened.push(session);
    return session;
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((session) => session.end()));
  });

  const sessionsOf = async (pid: number) =>
    (
      await test.pool.query('SELECT application_name, backend_xmin FROM pg_stat_activity WHERE pid = $1', [
        pid,
      ])
    ).rows;

  it('has the settings it was given, above those of the role, and time-outs off', async () => {
    await test.pool.query(
      `DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET statement_timeout = 777', current_database()); END $$`,
    );
    const session = await open({
      settings: {
        idle_session_timeout: '2s',
        tcp_keepalives_idle: 1,
        client_connection_check_interval: '1s',
      },
    });
    const [row] = await session.query(
      statement(
        'Settings',
        `SELECT current_setting('idle_session_timeout') AS idle, current_setting('tcp_keepalives_idle') AS keepalive,
                current_setting('client_connection_check_interval') AS checks,
                current_setting('statement_timeout') AS statements, current_setting('lock_timeout') AS locks`,
      ),
    );
    expect(row).toEqual({ idle: '2s', keepalive: '1', checks: '1s', statements: '0', locks: '0' });
    expect(await sessionsOf(session.pid)).toMatchObject([{ application_name: 'ffmpeg-master test' }]);
  });

  it('cuts itself when a statement is not answered in time', async () => {
    const session = await open();
    let reason: Error | undefined;
    session.onLost((error) => (reason = error));
    const error: unknown = await session
      .query(sleep, [10], { timeoutMs: 100 })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SessionTimeout);
    expect(isConnectionLost(error)).toBe(true);
    await eventually(() => expect(reason).toBe(error));
    await expect(session.query(sleep, [0])).rejects.toThrow();
  });

  it('tells that it was lost, once, also to who asks late', async () => {
    const session = await open();
    const reasons: Error[] = [];
    session.onLost((reason) => reasons.push(reason));
    await test.pool.query('SELECT pg_terminate_backend($1)', [session.pid]);
    await eventually(() => expect(reasons).toHaveLength(1));
    expect(isConnectionLost(reasons[0])).toBe(true);
    const late = new Promise<Error>((resolve) => session.onLost(resolve));
    expect(await late).toBe(reasons[0]);
    expect(reasons).toHaveLength(1);
  });

  it('ends quietly, and its locks with it', async () => {
    const session = await open();
    let told = false;
    session.onLost(() => (told = true));
    await session.query(statement('Lock', 'SELECT pg_advisory_lock(42)'));
    const free = async () =>
      (await test.pool.query<{ free: boolean }>('SELECT pg_try_advisory_xact_lock(42) AS free')).rows[0]
        ?.free;
    expect(await free()).toBe(false);
    await session.end();
    await eventually(async () => expect(await free()).toBe(true));
    expect(told).toBe(false);
    expect(await sessionsOf(session.pid)).toEqual([]);
  });
});
