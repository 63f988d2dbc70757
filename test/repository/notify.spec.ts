import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');
const NOTIFIES = /\bpg_notify\b|\bNOTIFY\s+["a-z]/;

it('sends notifications from src/signals alone: within a writing transaction they cost three quarters of its throughput', () => {
  const elsewhere = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|sql)$/.test(name) && !name.endsWith('.spec.ts') && !name.startsWith('signals/'))
    .filter((name) => NOTIFIES.test(readFileSync(join(SRC, name), 'utf8')));
  expect(elsewhere).toEqual([]);
  expect('SELECT pg_notify($1, $2)').toMatch(NOTIFIES);
});
