/**
 * Leadership: which master runs the duties (src/duties), and how its writes are kept apart from those of
 * the master before it.
 *
 * What it guarantees: epochs strictly increase, and once the leader of epoch e+1 acts, no write of epoch e
 * commits (I4). What it does not: that there is a leader at every moment, or that at no moment two masters
 * believe they lead. Nothing needs that: every duty is guarded by the state of its rows as well, so none
 * only delays, and two would be harmless.
 *
 * Two parts do it. The advisory lock elects: PostgreSQL gives it to one session at a time and takes it back
 * when that session ends. The epoch protects: winning the lock increments a number in the table
 * `leadership`, and every statement of a duty requires its own epoch to be the current one and locks that
 * row FOR SHARE (fence.ts). The next leader's increment therefore waits for what is in flight, and finds
 * everything later refused. The lock alone could not: a process that was stopped goes on, after it lost the
 * lock, exactly where it stood.
 *
 *               ┌───────────────── lock session lost, or database away ─────────────────┐
 *               ▼                                                                       │
 *     off ─▶ connecting ──▶ follower ──lock won──▶ starting the term ──epoch + 1──▶ leader
 *      ▲                    tries every 100 ms,      waits for duties                   │
 *      │                    idle in between          of the last term                   │
 *      └──── scheduler.enabled false; stopped; 2 s after a resignation ◀── resigns ─────┘
 *
 * The lock session (lock-session.ts) is a connection that only tries, pings and unlocks. The server ends it
 * after 2 s without a statement; the leader pings every 500 ms.
 *
 * Trust window. A leader trusts itself for 1.5 s from the moment it sent the last ping that was answered, by
 * the monotonic clock. The server counts its 2 s from a later moment, so the leader always stops before
 * anybody else can begin. The window is checked where `term` is read, not only by a timer: after an event
 * loop that stood still, whatever runs first finds that there is no term any more.
 *
 * What happens when
 *   - the leader's process dies: the kernel closes its socket, the server frees the lock, and a follower's
 *     next try has it (a median of 43 ms with tries every 100 ms; bound 250 ms).
 *   - it is stopped (SIGSTOP), its host dies or its link swallows everything: the server hears no ping and
 *     ends the session after 2 s (measured 1.6 to 1.8 s; keepalives never free a stopped leader, since its
 *     kernel keeps answering them; bound 3 s). Continued, it finds its trust window over; a statement it had
 *     already sent meets the fence.
 *   - its event loop is blocked for over 1.5 s: it steps down as soon as it runs again.
 *   - its lock session is cut (pg_terminate_backend, a restart of the server): it steps down at once and
 *     follows again. Connecting is repeated for ever.
 *   - it resigns (SIGTERM, POST /cluster/resign): it ends the term in the table, unlocks, and signals, so
 *     that followers try at once (bound 200 ms). After an operator's wish it waits 2 s before it tries again.
 *   - the database fails over: the lock session ends or finds its server read-only; everybody connects to the
 *     new primary and one wins there.
 *   - the database loses commits (a failover without synchronous replication, a restore): an epoch or a lease
 *     token could be issued twice. Each start of a term compares the system identifier, the timeline and the
 *     oid of `leadership` with those of the last term. Where one differs, epoch and tokens jump by 2^32, past
 *     whatever was lost, and the generation of the event log rises, so that readers begin anew. No attempt begins
 *     before that (jobs/begin.sql.ts).
 *
 * Followers never wait inside pg_advisory_lock, though that would hand over in 4.5 ms: a session that waits
 * there pins `backend_xmin`, and holds back vacuum for the whole database as long as it follows.
 */
export interface Term {
  /** The number of this term; strictly increasing over all masters. */
  readonly epoch: number;
  readonly master_id: string;
  /** The database's time when it began. */
  readonly since: Date;
}

/** An abstract class, so that Nest can inject it by type; `Election` is the implementation. */
export abstract class Leadership {
  /** The term of this master while it leads and may trust that it does; else undefined. */
  abstract readonly term: Term | undefined;

  isLeader(): boolean {
    return this.term !== undefined;
  }

  /** Calls `listener` at each start of a term of this master. @returns a function that takes it back */
  abstract onTermStart(listener: (term: Term) => void): () => void;

  /** Calls `listener` at each end of one, whatever ended it. @returns a function that takes it back */
  abstract onTermEnd(listener: (term: Term) => void): () => void;

  /** Ends `term` at once, if it is still on: its fence was not met, for instance. */
  abstract stepDown(term: Term, reason: string): void;

  /**
   * Gives leadership up and leaves it to others for two seconds; a single master takes it again then.
   * @returns whether this master led
   */
  abstract resign(): Promise<boolean>;
}
