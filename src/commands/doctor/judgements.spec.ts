import { describe, expect, it } from 'vitest';
import { parseDsn } from '../../config/dsn.js';
import {
  judgeClock,
  judgeConnections,
  judgeDurability,
  judgeHotTables,
  judgeMigrations,
  judgeReplica,
  judgeRights,
  judgeSlots,
  judgeSnapshots,
  judgeTimeouts,
  placeOf,
} from './judgements.js';

const server = { max_connections: 100, reserved_connections: 3 };

describe('connections', () => {
  it('counts the pool and the sessions beside it, for each master', () => {
    expect(judgeConnections(server, { masters: 3, pool: 25, pooled: false }).verdict).toBe('ok');
    const check = judgeConnections(server, { masters: 4, pool: 25, pooled: false });
    expect(check).toMatchObject({ verdict: 'fail', found: '4 masters may open 116 of 97' });
    expect(check.mend).toContain('database.max_open_conns (now 25)');
  });

  it('leaves the pool out where a pooler stands before the server', () => {
    expect(judgeConnections(server, { masters: 20, pool: 25, pooled: true }).verdict).toBe('ok');
  });
});

describe('settings of the server', () => {
  const durable = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' };

  it('wants what survives a power cut', () => {
    expect(judgeDurability(durable).verdict).toBe('ok');
    expect(judgeDurability({ ...durable, synchronous_commit: 'local' }).verdict).toBe('ok');
    expect(judgeDurability({ ...durable, synchronous_commit: 'off' }).verdict).toBe('warn');
    expect(judgeDurability({ ...durable, fsync: 'off' }).verdict).toBe('fail');
    expect(judgeDurability({ ...durable, full_page_writes: 'off' }).verdict).toBe('fail');
  });

  it('wants time-outs', () => {
    expect(judgeTimeouts({ statement_timeout_ms: 5000, idle_in_transaction_ms: 5000 }).verdict).toBe('ok');
    expect(judgeTimeouts({ statement_timeout_ms: 5000, idle_in_transaction_ms: 0 }).verdict).toBe('warn');
    expect(judgeTimeouts({ statement_timeout_ms: 0, idle_in_transaction_ms: 1 }).verdict).toBe('warn');
  });
});

describe('schema and rights', () => {
  it('names what is missing, and a newer program', () => {
    expect(judgeMigrations({ pending: [], unknown: [] }).verdict).toBe('ok');
    expect(judgeMigrations({ pending: ['1_a'], unknown: [] })).toMatchObject({
      verdict: 'warn',
      found: 'missing: 1_a',
    });
    expect(judgeMigrations({ pending: [], unknown: ['9_z'] }).found).toContain('9_z');
  });

  it('fails where a table may not be used, and only warns without CREATEROLE', () => {
    const verdicts = (refused: string[], may_create_role: boolean) =>
      judgeRights({ role: 'ffmpeg', may_create_role, refused }).map(({ verdict }) => verdict);
    expect(verdicts([], true)).toEqual(['ok', 'ok']);
    expect(verdicts(['jobs'], true)).toEqual(['fail', 'ok']);
    expect(verdicts([], false)).toEqual(['ok', 'warn']);
  });

  it('shortens long lists', () => {
    const [rights] = judgeRights({
      role: 'r',
      may_create_role: true,
      refused: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    });
    expect(rights?.found).toBe('r may not use a, b, c, d, e and 2 more');
  });
});

describe('what keeps vacuum and the log from being cleared', () => {
  it('tells the clocks apart', () => {
    expect(judgeClock(-400).verdict).toBe('ok');
    expect(judgeClock(-61_000)).toMatchObject({
      verdict: 'warn',
      found: 'this machine is 61.00 s behind the database',
    });
    expect(judgeClock(2000).found).toContain('ahead of');
  });

  it('names the oldest snapshot', () => {
    expect(judgeSnapshots([]).verdict).toBe('ok');
    const check = judgeSnapshots([{ kind: 'session', pid: 42, name: 'pg_dump', seconds: 3600 }]);
    expect(check).toMatchObject({ verdict: 'warn', found: 'process 42 (pg_dump) holds one for 60 min' });
    expect(check.mend).toContain('pg_terminate_backend(42)');
  });

  it.each([
    ['prepared_transaction', 'the prepared transaction x holds one for 90 s', 'ROLLBACK PREPARED'],
    ['standby', 'the standby x, by hot_standby_feedback, holds one for 90 s', 'hot_standby_feedback off'],
    ['replication_slot', 'the replication slot x holds one for 90 s', "pg_drop_replication_slot('x')"],
  ] as const)('has a mend for a snapshot of kind %s', (kind, found, mend) => {
    const check = judgeSnapshots([{ kind, pid: 0, name: 'x', seconds: 90 }]);
    expect(check).toMatchObject({ verdict: 'warn', found });
    expect(check.mend).toContain(mend);
  });

  it('names unused slots with what they keep', () => {
    expect(judgeSlots([]).verdict).toBe('ok');
    expect(judgeSlots([{ name: 'old', active: false, retained_bytes: 3e9, retained: '3 GB' }]).found).toBe(
      'unused: old (keeps 3 GB)',
    );
  });

  it('tells how far a read replica is behind', () => {
    expect(judgeReplica(900, 'r:5432/d')).toMatchObject({ verdict: 'ok', found: 'r:5432/d is 0.9 s behind' });
    expect(judgeReplica(10_001, 'r:5432/d').verdict).toBe('warn');
    expect(judgeReplica(undefined, 'r:5432/d')).toMatchObject({
      verdict: 'warn',
      found: 'r:5432/d gives no answer',
    });
  });

  it('warns of many dead rows and of autovacuum off', () => {
    const leases = (dead: number) => [{ name: 'leases', live: 10, dead }];
    expect(judgeHotTables(leases(99_999), 'on').verdict).toBe('ok');
    expect(judgeHotTables(leases(100_001), 'on').found).toBe('leases: 100001');
    expect(judgeHotTables(leases(0), 'off').verdict).toBe('warn');
  });
});

it('names the place of a database without user and password', () => {
  expect(placeOf(parseDsn('postgresql://u:secret@a:1,b:2/d?sslmode=require'))).toBe(
    'a:1,b:2/d (sslmode require)',
  );
});
