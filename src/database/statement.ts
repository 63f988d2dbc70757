/**
 * A named SQL statement. The name (PascalCase) is the label of `db_query_duration_seconds` and, where
 * the server allows it, of the prepared statement.
 */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /**
   * False for statements on a partitioned parent: a cached generic plan locks every partition
   * (1,603 locks for 400 partitions), while an unnamed statement is planned with its values and locks
   * only the partitions it needs.
   */
  readonly prepared: boolean;
  /**
   * Claims, reports, heartbeats, submits and logs wait for it. Some connections of the pool are kept for such
   * statements, so it must be short; one that reads or writes much would delay all others.
   */
  readonly hot?: boolean;
  /**
   * Only one plan of it is good, whatever its values: a session plans it once, at its first call. By default true of
   * what is hot and prepared (adr/0014). Of others PostgreSQL makes five plans first and compares.
   */
  readonly onePlan?: boolean;
}

export function statement(
  name: string,
  text: string,
  {
    prepared = true,
    hot = false,
    onePlan = prepared && hot,
  }: { prepared?: boolean; hot?: boolean; onePlan?: boolean } = {},
): Statement {
  return { name, text, prepared, hot, onePlan };
}
