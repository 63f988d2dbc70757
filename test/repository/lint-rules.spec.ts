/** Breaks the house's lint rules once each, in a small tree of its own, and reads what eslint says. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

const CLAIM = 'export const text = `SELECT id\n  FROM ffmpeg_master.jobs`;\n';
const FILES: Record<string, string> = {
  'src/jobs/promises.ts':
    'async function late(): Promise<void> {}\nexport function now(): void {\n  late();\n  [1].forEach(async () => late());\n}\n',
  'src/jobs/unused.ts': 'const forgotten = 1;\nexport const used = 2;\n',
  'src/jobs/types.ts':
    "import { Job } from './job.js';\nexport function id(job: Job): string {\n  return job.id;\n}\n",
  'src/jobs/job.ts': 'export interface Job {\n  id: string;\n}\n',
  'src/jobs/talks.ts': "console.log('job');\n",
  'src/commands/talks.ts': "console.log('job');\n",
  'src/jobs/job.service.ts': CLAIM,
  'src/jobs/job.repository.ts': CLAIM,
  'src/database/migrate.ts': CLAIM,
  'src/jobs/delete.ts': "export const text = 'DELETE FROM ffmpeg_master.jobs WHERE id = $1';\n",
  'src/jobs/prose.ts': "export const text = 'Set search_path to ffmpeg_master, then select the database.';\n",
};

let tree: string;
let found: Record<string, string[]>;

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), 'lint-'));
  for (const [file, text] of Object.entries(FILES)) {
    await mkdir(join(tree, dirname(file)), { recursive: true });
    await writeFile(join(tree, file), text);
  }
  const tsconfig = { extends: join(ROOT, 'tsconfig.json'), include: ['src'] };
  await writeFile(join(tree, 'tsconfig.json'), JSON.stringify(tsconfig));
  await writeFile(join(tree, 'package.json'), '{"type":"module"}');
  await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  found = await lint(tree);
});

afterAll(() => rm(tree, { recursive: true }));

describe('the lint rules', () => {
  it.each([
    ['src/jobs/promises.ts', '@typescript-eslint/no-floating-promises'],
    ['src/jobs/promises.ts', '@typescript-eslint/no-misused-promises'],
    ['src/jobs/unused.ts', '@typescript-eslint/no-unused-vars'],
    ['src/jobs/types.ts', '@typescript-eslint/consistent-type-imports'],
    ['src/jobs/talks.ts', 'no-console'],
    ['src/jobs/job.service.ts', 'no-restricted-syntax'],
    ['src/jobs/delete.ts', 'no-restricted-syntax'],
  ])('%s breaks %s', (file, rule) => {
    expect(found[file]).toContain(rule);
  });

  it.each([
    'src/commands/talks.ts',
    'src/jobs/job.repository.ts',
    'src/database/migrate.ts',
    'src/jobs/prose.ts',
  ])('%s breaks none', (file) => {
    expect(found[file]).toEqual([]);
  });
});

/** The rules that each file breaks, by its path in the tree. */
async function lint(cwd: string): Promise<Record<string, string[]>> {
  const program = join(ROOT, 'node_modules/eslint/bin/eslint.js');
  const args = [program, '--config', join(ROOT, 'eslint.config.js'), '--format', 'json', 'src'];
  const run = promisify(execFile)(process.execPath, args, { cwd, maxBuffer: 64 << 20 });
  const { stdout } = await run.catch((failure: { stdout: string }) => failure);
  const files = JSON.parse(stdout) as { filePath: string; messages: { ruleId: string | null }[] }[];
  return Object.fromEntries(
    files.map((file) => [
      file.filePath.slice(cwd.length + 1),
      file.messages.map(({ ruleId }) => `${ruleId}`),
    ]),
  );
}
