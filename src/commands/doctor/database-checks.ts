/** Everything about the database that a master relies on. */
import { parseDsn } from '../../config/dsn.js';
import type { Settings } from '../../config/settings.js';
import { openSession } from '../../database/dedicated-session.js';
import { readLastSign } from '../../database/last-sign.repository.js';
import { migrationStatus } from '../../database/migrations.js';
import { PooledDatabase } from '../../database/pooled-database.js';
import { oldestVersion } from '../../database/pooler-detection.js';
import type { Server } from '../../database/server-locator.js';
import { sentence } from '../failures.js';
import { type Check, fail, ok } from './check.js';
import { DoctorRepository, type ServerFacts } from './doctor.repository.js';
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
  OLD_SNAPSHOT,
  placeOf,
} from './judgements.js';

/** Looks as a master would: over the pool's address first, then over the direct one. */
export async function* checkDatabase({ database: settings }: Settings): AsyncGenerator<Check> {
  const dsn = settings.dsn ?? '';
  const pool = new PooledDatabase({ dsn, maxOpenConns: 1, maxIdleConns: 1 });
  try {
    let server: Server;
    try {
      server = await pool.connect();
    } catch (error) {
      const mend = 'start the server or mend database.dsn; `database.type embedded` brings one along';
      yield fail('database', `${placeOf(parseDsn(dsn))}: ${sentence(error)}`, mend);
      return;
    }
    const repository = new DoctorRepository(pool);
    const { facts, differenceMs } = await lookAtClock(repository);
    const what = server.pooled ? 'a pooler in front of PostgreSQL' : 'PostgreSQL';
    yield ok('database', `${what} ${facts.version} at ${placeOf(parseDsn(dsn))}`);
    if (server.version < oldestVersion) {
      yield fail('version', `PostgreSQL ${facts.version}`, 'upgrade the server to PostgreSQL 15 or newer');
      return;
    }
    yield await checkDirect(settings);
    yield* await checkSchema(settings, repository);
    yield judgeConnections(facts, {
      masters: Math.max(1, await repository.countMasters().catch(() => 0)),
      pool: settings.max_open_conns,
      pooled: server.pooled,
    });
    yield judgeDurability(facts);
    yield judgeTimeouts(facts);
    yield judgeClock(differenceMs);
    yield judgeSnapshots(await repository.oldSnapshots(OLD_SNAPSHOT));
    yield judgeSlots(await repository.unusedSlots());
    yield judgeHotTables(await repository.hotTables(), facts.autovacuum);
    if (settings.replica_dsn !== undefined) yield await checkReplica(settings.replica_dsn, pool);
  } finally {
    await pool.close();
  }
}

/** The lock session, the listener and migrations need the server itself. */
async function checkDirect({ direct_dsn }: Settings['database']): Promise<Check> {
  try {
    const session = await openSession({ dsn: direct_dsn ?? '', purpose: 'doctor' });
    await session.end();
    return ok('direct connection', `${session.server}, no pooler between`);
  } catch (error) {
    return fail(
      'direct connection',
      sentence(error),
      'point database.direct_dsn at the PostgreSQL server itself, past every pooler',
    );
  }
}

async function checkSchema(
  { migrate_dsn }: Settings['database'],
  repository: DoctorRepository,
): Promise<Check[]> {
  try {
    const status = await migrationStatus(migrate_dsn ?? '');
    const checks = [judgeMigrations(status)];
    // Without a schema there is nothing to have rights on.
    if (status.applied.length > 0) checks.push(...judgeRights(await repository.rights()));
    return checks;
  } catch (error) {
    return [
      fail(
        'migrations',
        sentence(error),
        'mend database.migrate_dsn: it must reach the server as the owner of the schema',
      ),
    ];
  }
}

/** As a master does: by the last sign of life of a master on both servers. */
async function checkReplica(dsn: string, primary: PooledDatabase): Promise<Check> {
  const replica = new PooledDatabase({ dsn, readWrite: false, maxOpenConns: 1, maxIdleConns: 1 });
  try {
    const now = await readLastSign(primary);
    const behind = await readLastSign(replica).then((then) => Math.max(0, now - then));
    return judgeReplica(behind, placeOf(parseDsn(dsn)));
  } catch (error) {
    return judgeReplica(undefined, `${placeOf(parseDsn(dsn))} (${sentence(error)})`);
  } finally {
    await replica.close();
  }
}

/** The server's clock against the middle of the time that its answer took. */
async function lookAtClock(
  repository: DoctorRepository,
): Promise<{ facts: ServerFacts; differenceMs: number }> {
  const before = Date.now();
  const facts = await repository.serverFacts();
  const after = Date.now();
  return { facts, differenceMs: (before + after) / 2 - facts.clock_ms };
}
