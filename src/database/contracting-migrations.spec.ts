import { describe, expect, it } from 'vitest';
import { contractionOf, isOlder } from './contracting-migrations.js';

describe('the head of a migration', () => {
  const up = '-- Up Migration\n\n';

  it('says what is taken away, and since when nobody needs it', () => {
    const sql = `${up}-- Why it goes.\n-- contracts: the column jobs.engine, unused since 0.3.0\nALTER TABLE a DROP COLUMN b;`;
    expect(contractionOf('7_drop', sql)).toEqual({
      migration: '7_drop',
      what: 'the column jobs.engine',
      unusedSince: '0.3.0',
    });
  });

  it('ends at the first statement', () => {
    const sql = `${up}SELECT 1;\n-- contracts: the column jobs.engine, unused since 0.3.0\n`;
    expect(contractionOf('7_late', sql)).toBeUndefined();
  });

  it.each([
    '-- contracts: everything',
    '-- Contracts: a column, unused since 0.3.0',
    '-- contracts: a column, unused since 0.3',
    '-- contracts: a column, unused since 0.3.0\n-- contracts: a table, unused since 0.2.0',
  ])('is refused rather than passed over where it is wrong: %s', (line) => {
    expect(() => contractionOf('7_wrong', `${up}${line}\nSELECT 1;`)).toThrow(
      /the migration 7_wrong may have one line/,
    );
  });
});

describe('a version', () => {
  it.each([
    ['0.1.0', '0.2.0'],
    ['0.9.9', '0.10.0'],
    ['1.2.3', '2.0.0'],
    ['0.2.0-rc.1', '0.2.0'],
    ['somebody’s build', '0.0.1'],
  ])('%s precedes %s', (version, than) => {
    expect(isOlder(version, than)).toBe(true);
  });

  it.each([
    ['0.2.0', '0.2.0'],
    ['0.2.0+build.5', '0.2.0'],
    ['0.10.0', '0.9.9'],
    ['1.0.0-rc.1', '0.9.0'],
  ])('%s does not precede %s', (version, than) => {
    expect(isOlder(version, than)).toBe(false);
  });
});
