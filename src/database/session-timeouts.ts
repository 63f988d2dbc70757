/**
 * How long the server lets a pooled session work, wait for a lock, and sit in an open transaction, in
 * milliseconds. Start-up parameters where the pool talks to the server itself; role settings made by
 * `migrate` behind a pooler, which lets no such parameters through.
 *
 * No session may keep a snapshot for over 5 s: an old one holds back vacuum, and the claim over dead rows
 * took 16 ms instead of 0.6.
 */
export const sessionTimeouts = {
  statement_timeout: 5000,
  lock_timeout: 2000,
  idle_in_transaction_session_timeout: 5000,
} as const;
