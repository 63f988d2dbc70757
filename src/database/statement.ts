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
}

export function statement(name: string, text: string, options: { prepared?: boolean } = {}): Statement {
  return { name, text, prepared: options.prepared ?? true };
}
