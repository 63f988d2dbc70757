/** A session of an administrator's command: straight to the server that the settings name. */
import type { Settings } from '../config/settings.js';
import { type DedicatedSession, openSession } from '../database/dedicated-session.js';
import { joinExistingServer } from './existing-database.js';

export interface DirectSessionOptions {
  /** Shown in pg_stat_activity. */
  readonly purpose: string;
  readonly readOnly?: boolean;
}

/**
 * Opens it, runs `work`, ends it. An embedded database must exist; its server is started if it does not run,
 * and stopped again unless somebody else came to use it.
 */
export async function withDirectSession<T>(
  settings: Settings,
  options: DirectSessionOptions,
  work: (session: DedicatedSession) => Promise<T>,
): Promise<T> {
  return withServer(settings, async (dsn) => {
    const session = await openSession({
      dsn,
      purpose: options.purpose,
      settings: options.readOnly ? { default_transaction_read_only: 'on' } : {},
    });
    try {
      return await work(session);
    } finally {
      await session.end();
    }
  });
}

/** Runs `work` with the DSN of the server itself. */
export async function withServer<T>({ database }: Settings, work: (dsn: string) => Promise<T>): Promise<T> {
  if (database.type !== 'embedded') return work(database.direct_dsn ?? database.dsn ?? '');
  const server = await joinExistingServer(database.data_dir);
  try {
    return await work(server.dsn);
  } finally {
    await server.leaveAsFound();
  }
}
