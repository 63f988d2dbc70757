import { type DedicatedSession, openSession } from '../database/dedicated-session.js';
import { LockSessionRepository, type StartedTerm } from './lock-session.repository.js';
import type { Term } from './leadership.js';

/** The session that holds, or tries to get, the leader's lock. An interface, so that the election can be tested. */
export interface LockSession {
  tryLock(): Promise<boolean>;
  ping(): Promise<void>;
  startTerm(masterId: string): Promise<StartedTerm>;
  release(term: Term): Promise<void>;
  onLost(listener: (reason: Error) => void): void;
  /** Frees the lock, too. */
  end(): Promise<void>;
}

/**
 * idle_session_timeout bounds every failure alike: a stopped process, a dead host, a link that swallows all
 * (1.6 to 1.8 s with pings every 500 ms). The keepalives are the second net, and the connection check is for
 * the one statement that may wait, the start of a term.
 */
const SETTINGS = {
  idle_session_timeout: 2_000,
  tcp_keepalives_idle: 1,
  tcp_keepalives_interval: 1,
  tcp_keepalives_count: 3,
  client_connection_check_interval: 500,
  statement_timeout: 0,
  lock_timeout: 0,
  // Other than idle_session_timeout: this session opens no transaction, so nothing of it may be cut.
  idle_in_transaction_session_timeout: 0,
};

export async function openLockSession(dsn: string): Promise<LockSession> {
  const session: DedicatedSession = await openSession({
    dsn,
    key: 'database.direct_dsn',
    purpose: 'lock',
    settings: SETTINGS,
    connectTimeoutMs: 2_000,
  });
  const repository = new LockSessionRepository(session);
  return {
    tryLock: () => repository.tryLock(),
    ping: () => repository.ping(),
    startTerm: (masterId) => repository.startTerm(masterId),
    release: (term) => repository.release(term),
    onLost: (listener) => session.onLost(listener),
    end: () => session.end(),
  };
}
