/**
 * Breaks each import rule once, in a small tree of its own, and asks dependency-cruiser which rule it broke:
 * a rule whose pattern matches nothing looks exactly like a rule that is obeyed.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** File → what it imports. The name of the file's folder says what the import breaks, where it breaks anything. */
const TREE: Record<string, string[]> = {
  'src/main.ts': ['./commands/up.js', './config/settings.js'],
  'src/commands/up.ts': ['../api/app.js', '../worker/loop.js'],
  'src/commands/down.ts': ['../main.js'],
  'src/api/app.ts': ['../dispatch/claim.js', 'pg', 'missing-package', 'vitest'],
  'src/api/utils.ts': [],
  'src/api/uses-utils.ts': ['./utils.js', '../attic/box.js'],
  'src/attic/box.ts': [],
  'src/worker/loop.ts': ['../protocol/claim.js', '../jobs/job.js'],
  'src/dispatch/claim.ts': ['../jobs/job.js'],
  'src/jobs/job.ts': ['../dispatch/claim.js', '../database/pool.js'],
  'src/jobs/a.ts': ['./b.js'],
  'src/jobs/b.ts': ['./a.js'],
  'src/jobs/peeks.ts': ['../../test/fixture.js'],
  'src/jobs/dangles.ts': ['./nowhere.js'],
  'src/database/pool.ts': ['../metrics/registry.js'],
  'src/metrics/registry.ts': ['../logging/logger.js', '../database/pool.js'],
  'src/logging/logger.ts': ['../config/settings.js'],
  'src/config/settings.ts': ['../protocol/claim.js'],
  'src/protocol/claim.ts': ['../config/settings.js'],
  'test/fixture.ts': [],
};

let tree: string;
let broken: string[];

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), 'floors-'));
  for (const [file, imports] of Object.entries(TREE)) {
    await mkdir(join(tree, dirname(file)), { recursive: true });
    const lines = imports.flatMap((from, n) => [
      // Types are borrowed from neighbours, values from packages: the rule on packages lets types pass.
      `import ${from.startsWith('.') ? 'type ' : ''}* as i${n} from '${from}';`,
      `export type T${n} = typeof i${n};`,
    ]);
    await writeFile(join(tree, file), [...lines, 'export const here = true;', ''].join('\n'));
  }
  await writeFile(
    join(tree, 'package.json'),
    JSON.stringify({ type: 'module', dependencies: { pg: '*' }, devDependencies: { vitest: '*' } }),
  );
  await symlink(join(ROOT, 'tsconfig.json'), join(tree, 'tsconfig.json'));
  await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  broken = await violations(tree);
});

afterAll(() => rm(tree, { recursive: true }));

describe('the floors of the house', () => {
  it.each([
    ['jobs-imports-only-downwards', 'src/jobs/job.ts', 'src/dispatch/claim.ts'],
    ['metrics-and-logging-imports-only-downwards', 'src/metrics/registry.ts', 'src/database/pool.ts'],
    ['protocol-imports-only-downwards', 'src/protocol/claim.ts', 'src/config/settings.ts'],
    ['protocol-imports-nothing-of-src', 'src/protocol/claim.ts', 'src/config/settings.ts'],
    ['worker-knows-only-the-protocol', 'src/worker/loop.ts', 'src/jobs/job.ts'],
    ['main-picks-a-command', 'src/main.ts', 'src/config/settings.ts'],
    ['nothing-imports-main', 'src/commands/down.ts', 'src/main.ts'],
    ['every-file-has-a-room', 'src/api/uses-utils.ts', 'src/attic/box.ts'],
    ['no-grab-bags', 'src/api/uses-utils.ts', 'src/api/utils.ts'],
    ['no-circles', 'src/jobs/a.ts', 'src/jobs/b.ts'],
    ['source-does-not-import-tests', 'src/jobs/peeks.ts', 'test/fixture.ts'],
    ['no-dangling-imports', 'src/jobs/dangles.ts', './nowhere.js'],
    ['only-declared-dependencies', 'src/api/app.ts', 'vitest'],
  ])('%s', (rule, from, to) => {
    expect(broken.some((line) => line.startsWith(`${rule}: ${from} → `) && line.includes(to))).toBe(true);
  });

  it('allows what runs down', () => {
    const allowed = [
      'src/commands/up.ts',
      'src/dispatch/claim.ts → src/database',
      'src/logging/logger.ts → src/config',
    ];
    for (const edge of allowed) expect(broken.filter((line) => line.includes(`: ${edge}`))).toEqual([]);
    expect(broken.filter((line) => line.includes('→ node_modules/pg/'))).toEqual([]);
  });
});

async function violations(cwd: string): Promise<string[]> {
  const program = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const rules = join(ROOT, '.dependency-cruiser.cjs');
  const args = [program, '--config', rules, '--output-type', 'json', 'src', 'test'];
  const run = promisify(execFile)(process.execPath, args, { cwd, maxBuffer: 64 << 20 });
  const { stdout } = await run.catch((failure: { stdout: string }) => failure);
  const result = JSON.parse(stdout) as { summary: { violations: Violation[] } };
  return result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

interface Violation {
  rule: { name: string };
  from: string;
  to: string;
}
