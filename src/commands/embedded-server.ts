/** The embedded PostgreSQL as a command joins and leaves it: the last one out turns off the light. */
import { openSession } from '../database/dedicated-session.js';
import { startEmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { EmbeddedServerRepository } from './embedded-server.repository.js';

export interface EmbeddedServer {
  readonly dsn: string;
  readonly port: number;
  /** Whether this process started it, or found it running. */
  readonly outcome: 'started' | 'attached';
  /** Stops it, unless others use it. */
  leave(): Promise<void>;
  /** The same where this process started it; one that was found running stays. */
  leaveAsFound(): Promise<void>;
  /** Stops it, whoever uses it. */
  stop(): Promise<void>;
}

export async function joinEmbeddedServer(directory: string): Promise<EmbeddedServer> {
  const server = await startEmbeddedPostgres({
    directory,
    onWait: (message) => process.stderr.write(`ffmpeg-master: ${message}\n`),
  });
  const leave = async (): Promise<void> => {
    if (!(await isUsed(server.adminDsn))) await server.stop();
  };
  return {
    ...server,
    leave,
    leaveAsFound: async () => (server.outcome === 'started' ? leave() : undefined),
  };
}

/** By other sessions than our own; a server that no longer answers needs no stop. */
async function isUsed(adminDsn: string): Promise<boolean> {
  try {
    const session = await openSession({ dsn: adminDsn, purpose: 'leaving' });
    try {
      return (await new EmbeddedServerRepository(session).countOtherSessions()) > 0;
    } finally {
      await session.end();
    }
  } catch {
    return true;
  }
}
