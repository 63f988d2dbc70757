import { codeOf } from '../../database/sql-errors.js';

/**
 * Writes all rows with one statement, or finds by halves those that the database refuses: what it says of a value is said of one
 * row. Anything else that goes wrong is thrown.
 */
export async function inHalves<Row>(
  rows: readonly Row[],
  write: (rows: readonly Row[]) => Promise<void>,
  refuse: (row: Row, error: Error) => void,
): Promise<void> {
  if (rows.length === 0) return;
  try {
    await write(rows);
  } catch (error) {
    if (!isAboutValues(error)) throw error;
    const [row] = rows;
    if (row !== undefined && rows.length === 1) return refuse(row, error as Error);
    const half = Math.ceil(rows.length / 2);
    await inHalves(rows.slice(0, half), write, refuse);
    await inHalves(rows.slice(half), write, refuse);
  }
}

/** Data exceptions, integrity, and limits of the server. */
function isAboutValues(error: unknown): boolean {
  return /^(22|23|54)/.test(codeOf(error) ?? '');
}
