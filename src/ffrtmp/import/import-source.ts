/** A database of ffmpeg-rtmp, as an import reads it: never written to. */

/** Bytes: a text that is not UTF-8. */
export type Cell = string | number | bigint | Uint8Array | null;

/** A row by the names of its columns, which differ with the age of the database. */
export type SourceRow = Readonly<Record<string, Cell>>;

export const SOURCE_TABLES = ['nodes', 'jobs', 'tenants'] as const;
export type SourceTable = (typeof SOURCE_TABLES)[number];

export interface ImportSource {
  /** For people and for the record, without secrets. */
  readonly name: string;
  /** 0 for a table that is not there. */
  count(table: SourceTable): Promise<number>;
  /** In an order that is the same each time. */
  rows(table: SourceTable): AsyncIterable<SourceRow>;
  /** The highest sequence number up to `most`, as text; undefined where there is none. */
  highestNumber(most: bigint): Promise<string | undefined>;
  /** Ids of jobs that more than one row has, whatever their case, in small letters. */
  repeatedIds(): Promise<string[]>;
  /** Tables that are read by nobody here, with their rows. */
  otherTables(): Promise<{ table: string; rows: number }[]>;
  close(): Promise<void>;
}

/** It cannot be read. The message says what to do. */
export class ImportSourceError extends Error {
  override readonly name = 'ImportSourceError';
}
