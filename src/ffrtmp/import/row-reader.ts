/** Reads the cells of one row, whatever stands in them. What cannot be taken as it is is told, once each. */
import { storableText } from '../../protocol/storable.js';
import { isDeeper } from '../../protocol/json-depth.js';
import { DEEPEST } from '../wire/lax-json.js';
import type { Cell, SourceRow } from './import-source.js';
import { type Finding, shown } from './findings.js';
import { storableJson } from './json-text.js';
import { readSourceSeconds, readSourceTime } from './source-time.js';

const SECONDS = /^\d+(?:\.\d*)?$/;

export class RowReader {
  constructor(
    private readonly row: SourceRow,
    private readonly what: Finding['what'],
    private readonly id: string,
    private readonly zone: string,
    private readonly tell: (finding: Finding) => void,
  ) {}

  /** '' for none. */
  text(column: string): string {
    const cell = this.cell(column);
    if (cell === null) return '';
    if (cell instanceof Uint8Array) {
      this.problem(column, 'is no UTF-8; what is none was replaced by U+FFFD', cell);
      return storableText(new TextDecoder().decode(cell));
    }
    const text = String(cell);
    const kept = storableText(text);
    if (kept !== text)
      this.problem(
        column,
        'holds characters that PostgreSQL refuses, such as NUL; U+FFFD stands for them',
        text,
      );
    return kept;
  }

  /** A whole number of `from` to `to`, else `instead`. */
  integer(column: string, from: number, to: number, instead: number): number {
    const cell = this.cell(column);
    if (cell === null || cell === '') return instead;
    const number = typeof cell === 'bigint' || typeof cell === 'number' ? Number(cell) : Number(asText(cell));
    if (Number.isInteger(number) && number >= from && number <= to) return number;
    this.problem(column, `is no whole number of ${from} to ${to}; it arrives as ${instead}`, cell);
    return instead;
  }

  boolean(column: string): boolean {
    const cell = this.cell(column);
    return ['1', 't', 'true'].includes(String(cell));
  }

  /** Null for none. */
  time(column: string): string | null {
    const cell = this.cell(column);
    if (cell === null || cell === '') return null;
    const text = asText(cell);
    const time = SECONDS.test(text) ? readSourceSeconds(Number(text)) : readSourceTime(text, this.zone);
    if (time !== undefined) return time;
    this.problem(column, 'is no time that can be read, of 1970 to 9999', cell);
    return null;
  }

  /** JSON as it was written, fit for jsonb, so that long numbers stay what they are; undefined for none. */
  json(
    column: string,
    kind: 'object' | 'array',
  ): { text: string; value: unknown; isExact: boolean } | undefined {
    const cell = this.cell(column);
    if (cell === null || cell === '') return undefined;
    const text = asText(cell);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.problem(column, 'is no JSON; the event "imported" of the job holds what stood there', cell);
      return undefined;
    }
    if (value === null) return undefined;
    if (kind === 'array' ? !Array.isArray(value) : typeof value !== 'object' || Array.isArray(value)) {
      this.problem(
        column,
        `is no JSON ${kind}; the event "imported" of the job holds what stood there`,
        cell,
      );
      return undefined;
    }
    if (isDeeper(value, DEEPEST)) {
      this.problem(column, `is nested deeper than ${DEEPEST} levels`, cell);
      return undefined;
    }
    const { isChanged, isExact, ...kept } = storableJson(text);
    if (isChanged || cell instanceof Uint8Array)
      this.problem(
        column,
        'holds what PostgreSQL refuses, such as NUL or a number without end; it was replaced',
        cell,
      );
    return { text: kept.text, value: isChanged ? JSON.parse(kept.text) : value, isExact };
  }

  /** What stands there, for the record: at most 64 KiB of it. */
  raw(column: string): string | undefined {
    const cell = this.cell(column);
    return cell === null || cell === '' ? undefined : storableText(asText(cell).slice(0, 65_536));
  }

  problem(column: string, problem: string, value?: Cell): void {
    this.tell({
      what: this.what,
      id: this.id,
      column,
      problem,
      ...(value != null && { value: shown(value) }),
    });
  }

  private cell(column: string): Cell {
    return this.row[column] ?? null;
  }
}

function asText(cell: Exclude<Cell, null>): string {
  return cell instanceof Uint8Array ? new TextDecoder().decode(cell) : String(cell);
}
