/** What of a source cannot come over as it was. Nothing is left out or changed without one of these. */

export interface Finding {
  readonly what: 'job' | 'node' | 'tenant' | 'table';
  /** Of the row, as the source has it; the name of a table. */
  readonly id: string;
  /** Of the source. */
  readonly column?: string;
  /** A sentence. */
  readonly problem: string;
  /** What stood there, as much as a line holds. */
  readonly value?: string;
}

const SHOWN = 200;

/** A value for a report, cut to what a line holds. */
export function shown(value: unknown): string {
  const text =
    value instanceof Uint8Array
      ? `0x${Buffer.from(value.subarray(0, SHOWN)).toString('hex')}`
      : String(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
