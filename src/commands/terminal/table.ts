/** Tables without borders, which fit the width of the terminal and read well in a pipe. */
import Table from 'cli-table3';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null | undefined;
  readonly align?: 'left' | 'right';
  /** Gives way when the table is too wide: `cut` ends with an ellipsis, `wrap` goes on in the next line. */
  readonly narrow?: 'cut' | 'wrap';
}

/** @param width characters a line; without one, nothing is cut (a pipe: `grep` wants whole words) */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number | undefined = terminalWidth(),
): string {
  const cells = rows.map((row) => columns.map((column) => text(column.value(row))));
  const widths = fit(columns, cells, width);
  const table = new Table({
    chars: BORDERLESS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    colWidths: widths,
  });
  for (const row of cells) {
    table.push(
      row.map((content, index) => {
        const wraps = columns[index]?.narrow === 'wrap';
        return {
          content,
          wordWrap: wraps,
          wrapOnWordBoundary: content.split(' ').every((word) => word.length <= (widths[index] ?? 0)),
        };
      }),
    );
  }
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** One pair a line, the names in a column of their own. */
export function renderPairs(pairs: readonly (readonly [string, unknown])[]): string {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  const widest = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(widest)}  ${text(value)}`).join('\n');
}

export function terminalWidth(): number | undefined {
  const given = Number(process.env['COLUMNS']);
  return process.stdout.columns ?? (given > 0 ? given : undefined);
}

const GAP = '  ';
const LEAST_WIDTH = 8;

const BORDERLESS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: GAP,
};

function text(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The natural widths, less what is too much, taken from the widest column that may give way. */
function fit<Row>(
  columns: readonly Column<Row>[],
  cells: readonly string[][],
  width: number | undefined,
): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((row) => longestLine(row[index] ?? ''))),
  );
  if (width === undefined) return widths;
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    const widest = widths.reduce(
      (best, each, index) =>
        columns[index]?.narrow !== undefined && each > (widths[best] ?? 0) && each > LEAST_WIDTH
          ? index
          : best,
      -1,
    );
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

function longestLine(content: string): number {
  return Math.max(...content.split('\n').map((line) => line.length));
}
