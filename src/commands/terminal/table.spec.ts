import { describe, expect, it } from 'vitest';
import { formatAge, formatSeconds, formatSize } from './figures.js';
import { renderPairs, renderTable } from './table.js';

const columns = [
  { title: 'JOB', value: (row: Row) => row.job, align: 'right' as const },
  { title: 'FILE', value: (row: Row) => row.file, narrow: 'cut' as const },
  { title: 'WHY', value: (row: Row) => row.why, narrow: 'wrap' as const },
];
interface Row {
  job: number;
  file: string;
  why?: string | null;
}

describe('a table', () => {
  it('has no borders and no trailing blanks', () => {
    expect(
      renderTable(
        columns,
        [
          { job: 7, file: 'a.mp4', why: null },
          { job: 12, file: 'bb.mp4', why: 'lost' },
        ],
        80,
      ),
    ).toBe(['JOB  FILE    WHY', '  7  a.mp4', ' 12  bb.mp4  lost'].join('\n'));
  });

  it('cuts and wraps to the width, and loses no word of what wraps', () => {
    const why = 'input_error: the input /media/missing.mp4 does not exist on this machine at all';
    const table = renderTable(columns, [{ job: 1, file: `${'x'.repeat(60)}.mp4`, why }], 60);
    const lines = table.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(table).toContain('…');
    for (const word of why.split(' ')) expect(table.replace(/\s+/g, '')).toContain(word.slice(0, 8));
    expect(lines.length).toBeGreaterThan(3);
  });

  it('cuts nothing in a pipe', () => {
    const file = 'y'.repeat(300);
    expect(renderTable(columns, [{ job: 1, file }], undefined)).toContain(file);
  });
});

it('pairs leave out what is not there', () => {
  expect(
    renderPairs([
      ['id', 1],
      ['error', null],
      ['status', 'queued'],
      ['tags', ''],
    ]),
  ).toBe('id      1\nstatus  queued');
});

describe('figures', () => {
  it('writes sizes', () => {
    expect([0, 999, 1000, 1_234_567, 99_600_000, 5e12].map(formatSize)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '1.2 MB',
      '100 MB',
      '5.0 TB',
    ]);
    expect(formatSize(null)).toBe('');
  });

  it('writes lengths of media', () => {
    expect([0.5, 9.984, 60, 187.4, 3725].map(formatSeconds)).toEqual([
      '0.5 s',
      '9.98 s',
      '1:00',
      '3:07',
      '1:02:05',
    ]);
  });

  it('writes ages', () => {
    const now = Date.parse('2026-01-02T00:00:00Z');
    const ages = [
      '2026-01-01T23:59:30Z',
      '2026-01-01T23:50:00Z',
      '2026-01-01T20:00:00Z',
      '2025-12-01T00:00:00Z',
    ];
    expect(ages.map((since) => formatAge(since, now))).toEqual(['30s', '10m', '4h', '32d']);
  });
});
