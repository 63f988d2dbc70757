/**
 * Keeps docs/queries: all SQL of the program, one file for each repository, so that a changed query shows in
 * a diff as what the server gets. This spec writes and compares it: after a change, `npm run docs`.
 */
import 'reflect-metadata';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type * as statements from '../../src/database/statement.js';

const ROOT = join(import.meta.dirname, '../..');
const QUERIES = join(ROOT, 'docs/queries');

const { made } = vi.hoisted(() => ({ made: [] as { statement: statements.Statement; from: string }[] }));

vi.mock('../../src/database/statement.js', async (original) => {
  const { statement } = await original<typeof statements>();
  return {
    statement: (...given: Parameters<typeof statement>) => {
      const result = statement(...given);
      const from = /\/src\/([\w/.-]+)\.ts/.exec(new Error().stack?.split('\n')[2] ?? '')?.[1];
      made.push({ statement: result, from: from ?? 'unknown' });
      return result;
    },
  };
});

const repositories = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.repository.ts'))
  .sort();

beforeAll(async () => {
  for (const file of repositories) await import(join(ROOT, 'src', file));
  await putTogetherLists();
});

describe('docs/queries', () => {
  it.each(repositories)('has what src/%s sends', async (file) => {
    await expect(pageOf(file)).toMatchFileSnapshot(join(QUERIES, sqlFile(file)));
  });

  it('has nothing else', () => {
    const pages = readdirSync(QUERIES, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(QUERIES, join(entry.parentPath, entry.name)));
    expect(pages.sort()).toEqual(repositories.map(sqlFile).sort());
  });
});

describe('a statement', () => {
  it('has a name of its own: two texts under one name cannot be prepared on one session', () => {
    const texts = new Map<string, Set<string>>();
    for (const { statement } of made.filter(({ statement: { prepared } }) => prepared))
      texts.set(statement.name, (texts.get(statement.name) ?? new Set()).add(statement.text));
    expect([...texts].filter(([, different]) => different.size > 1).map(([name]) => name)).toEqual([]);
  });

  it('is named in PascalCase', () => {
    for (const { statement } of made) expect(statement.name).toMatch(/^([A-Z][a-z0-9]*)+$/);
  });
});

/** The lists of jobs are put together from what is asked for: these show each part of them. */
async function putTogetherLists(): Promise<void> {
  const { JobPages } = await import('../../src/jobs/job-list.repository.js');
  const pages = new JobPages({ query: () => Promise.resolve([]) });
  const walk = { tenant_id: 'default', filter: {}, before: 1, from: 1, wanted: 1, most: 1 };
  await pages.live(walk);
  await pages.live({ ...walk, filter: { status: ['queued'], queue: 'live', tag: 'a' } });
  await pages.live({ ...walk, filter: { status: ['assigned', 'running'] } });
  await pages.live({ ...walk, filter: { node: 'a' } });
  await pages.archived('2026-01-01', { ...walk, filter: { created_after: '2026-01-01' } });
}

function sqlFile(file: string): string {
  return file.replace('.repository.ts', '.sql');
}

function pageOf(file: string): string {
  const own = made.filter(({ from }) => `${from}.ts` === file);
  const statements = own.map(({ statement: { name, text, prepared } }) => {
    return `-- ${name}${prepared ? '' : ' (planned with its values each time)'}\n${dedent(text)};\n`;
  });
  return [`-- Generated from src/${file} by \`npm run docs\`.\n`, ...statements].join('\n');
}

/** Without the indentation that a text has in its source, and without spaces at the ends of lines. */
function dedent(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) => line.replace(/^ {1,3}/, '').trimEnd())
    .join('\n');
}
