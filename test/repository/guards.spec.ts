/**
 * Holds together what `npm run test:guards` works by: the table in docs/test-plan.md, test/guards/guards.json, the
 * patches beside it and the tests that they name. That the tests fail is shown by that command.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Guard {
  readonly id: string;
  readonly guard: string;
  readonly patch: string;
  readonly spec: string;
  /** As `vitest -t` takes it. */
  readonly test: string;
  /** A regular expression that the failure without the guard matches. */
  readonly fails_with: string;
  readonly promises: readonly string[];
}

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'test/guards');
const plan = readFileSync(join(ROOT, 'docs/test-plan.md'), 'utf8');
const guards = JSON.parse(readFileSync(join(FOLDER, 'guards.json'), 'utf8')) as Guard[];

describe('the guards', () => {
  it('stand in the test plan as they are tried', () => {
    const section = /^## Guards: [^]*?(?=^## )/m.exec(plan)?.[0] ?? '';
    const rows = section.match(/^\| `.*$/gm) ?? [];
    expect(rows).toEqual(
      guards.map(
        ({ id, guard, promises, spec, test }) =>
          `| \`${id}\` | ${guard} | ${promises.join(', ')} | \`${spec}\` | ${test} |`,
      ),
    );
  });

  it('have a patch each, and no patch is left over', () => {
    const patches = readdirSync(FOLDER).filter((name) => name.endsWith('.patch'));
    expect(guards.map(({ patch }) => patch).sort()).toEqual(patches.sort());
    for (const { id, patch } of guards) expect(patch).toBe(`${id}.patch`);
  });

  it('are held by promises of the test plan', () => {
    for (const { id, promises } of guards) {
      expect(promises, id).not.toEqual([]);
      for (const promise of promises) expect(plan, id).toContain(`\n| ${promise} |`);
    }
  });

  it.each(guards)('$id: its patch applies, and to src alone', ({ patch }) => {
    const path = join(FOLDER, patch);
    const touched = [...readFileSync(path, 'utf8').matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, file]) => file);
    expect(touched).not.toEqual([]);
    for (const file of touched) expect(file).toMatch(/^src\/(?!.*\.spec\.ts$)/);
    const { status, stderr } = spawnSync('git', ['apply', '--check', path], { cwd: ROOT, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it.each(guards)('$id: the test that misses it is there, once', ({ spec, test }) => {
    expect(titlesOf(spec).filter((title) => title.test(test))).toHaveLength(1);
  });
});

/** The titles of a spec's tests, with anything where `it.each` puts its values. */
function titlesOf(spec: string): RegExp[] {
  const source = readFileSync(join(ROOT, spec), 'utf8');
  const title = /\bit(?:\.each\([^]*?\))?\(\s*(['"`])(.*?)\1,/g;
  return [...source.matchAll(title)].map(([, , text = '']) => {
    const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    return new RegExp(`^${escaped.replace(/%[a-z]|\\\$\w+/g, '.*')}$`);
  });
}
