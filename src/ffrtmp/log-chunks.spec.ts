import { expect, it } from 'vitest';
import { MAX_LOG_LENGTH } from '../jobs/job-logs.repository.js';
import { logChunks } from './log-chunks.js';

const joined = (log: string) => {
  const chunks = [...logChunks(log)];
  let offset = 0;
  for (const chunk of chunks) {
    expect(chunk.offset).toBe(offset);
    expect(chunk.text).not.toMatch(/\p{Surrogate}/u);
    offset += chunk.text.length;
  }
  return chunks.map(({ text }) => text).join('');
};

it('gives all of a log, and nothing of none', () => {
  expect([...logChunks('')]).toEqual([]);
  const log = 'frame= 1 fps=25 😀\n'.repeat(20_000);
  expect(joined(log)).toBe(log);
});

it('never parts a pair of surrogates', () => {
  const log = `${'x'.repeat(65_535)}😀${'y'.repeat(70_000)}`;
  expect(joined(log)).toBe(log);
});

it('leaves the middle out of one that is too long', () => {
  const log = `head${'m'.repeat(MAX_LOG_LENGTH)}😀tail`;
  const kept = joined(log);
  expect(kept.length).toBeLessThanOrEqual(MAX_LOG_LENGTH);
  expect(kept.length).toBeGreaterThan(MAX_LOG_LENGTH - 10);
  expect(kept).toMatch(/^headm+\n… [0-9]+ characters left out …\n+m+😀tail$/);
});
