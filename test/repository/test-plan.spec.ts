/** Holds docs/test-plan.md to what it claims: the files it names are there, and their titles name the id. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const plan = readFileSync(join(ROOT, 'docs/test-plan.md'), 'utf8');

/** Rows of the tables of invariants and faults. */
const rows = [...plan.matchAll(/^\| ([IF]\d+) +\| (.*) \|$/gm)].map(([, id = '', rest = '']) => {
  const shown = rest.slice(rest.lastIndexOf('|') + 1);
  return { id, shown, files: [...shown.matchAll(/`([^`]+\.spec\.ts)`/g)].map(([, file = '']) => file) };
});

describe('the test plan', () => {
  it('has a row for each invariant and each fault', () => {
    const ids = [...numbered('I', 14), ...numbered('F', 25)];
    expect(rows.map(({ id }) => id)).toEqual(ids);
  });

  it.each(rows)('$id: each file named has a title with it', ({ id, shown, files }) => {
    if (!/\blater\b/.test(shown)) expect(files).not.toEqual([]);
    for (const file of files) expect(titlesOf(file), file).toMatch(new RegExp(`\\b${id}\\b`));
  });

  it('names no file that is not there', () => {
    for (const [, file = ''] of plan.matchAll(/`((?:src|test)\/[^`]+\.ts)`/g))
      expect(existsSync(join(ROOT, file)), file).toBe(true);
  });
});

function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, k) => `${letter}${k + 1}`);
}

/** The titles of a spec, one a line: the texts that follow `describe(` and `it(`, with what stands between. */
function titlesOf(file: string): string {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const title =
    /\b(?:describe|it)(?:\.each\([^]*?\)|\.skipIf\([^]*?\)|\.runIf\([^]*?\))?\(\s*(['"`])(.*?)\1,/g;
  return [...source.matchAll(title)].map(([, , text = '']) => text).join('\n');
}
