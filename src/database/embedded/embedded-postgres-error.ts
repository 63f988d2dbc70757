/** A reason why the embedded PostgreSQL cannot run, as one sentence that says what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}
