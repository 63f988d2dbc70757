/**
 * Starts one PostgreSQL for all specs of a run and prepares the database that each spec's own is copied
 * from. Two projects of vitest.config.ts name this file; they share the server.
 */
import type { TestProject } from 'vitest/node';
import { prepareTemplate } from './migrated-template.js';
import { startTestPooler } from './test-pooler.js';
import { removeAbandonedPostgres, startTestPostgres, type TestPostgres } from './test-postgres.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** `poolDsn` leads through a pooler where TEST_POOLER asks for one, and is `dsn` else. */
    postgres: { major: number; dsn: string; adminDsn: string; poolDsn: string };
  }
}

interface Shared {
  users: number;
  server: Promise<TestPostgres & { poolDsn: string }>;
}

// Each project loads this file into a module world of its own.
const world = globalThis as { ffmpegMasterTestPostgres?: Shared };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (world.ffmpegMasterTestPostgres ??= { users: 0, server: start() });
  shared.users += 1;
  const { major, dsn, adminDsn, poolDsn } = await shared.server;
  project.provide('postgres', { major, dsn, adminDsn, poolDsn });
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    delete world.ffmpegMasterTestPostgres;
    await (await shared.server).stop();
  };
}

async function start(): Promise<TestPostgres & { poolDsn: string }> {
  await removeAbandonedPostgres();
  const server = await startTestPostgres();
  // Ctrl-C twice ends vitest without its teardown; the server is detached and would stay.
  process.once('exit', () => {
    try {
      process.kill(server.pid, 'SIGINT');
    } catch {
      // Stopped already, by the teardown.
    }
  });
  await prepareTemplate(server.dsn);
  const pooler = await startTestPooler(server.dsn);
  return {
    ...server,
    poolDsn: pooler?.dsn ?? server.dsn,
    stop: async () => {
      await pooler?.stop();
      await server.stop();
    },
  };
}
